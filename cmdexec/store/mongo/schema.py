"""The collections and their indexes: made at the first start, and which version of them a database holds.

Indexes are plain, unique or sparse, since the hosted twins of MongoDB know no partial ones.
"""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from cmdexec.errors import CmdexecError
from cmdexec.store.mongo.address import FIELD
from cmdexec.store.mongo.connection import Connection

VERSION = 1
_SERVER_KEPT_SEC = 86_400
"""How long the heartbeat of a server that is gone stays to be looked at. Nothing is decided by that."""


def _index(*fields: str, unique: bool = False, sparse: bool = False) -> IndexModel:
    keys = [(field, ASCENDING) for field in fields]
    return IndexModel(keys, name="_".join(fields), unique=unique, sparse=sparse)


JOBS: Sequence[IndexModel] = (
    _index("status", "workerId"),
    _index("createdAt"),
    _index("submitKey", unique=True, sparse=True),
    _index("keyedAt", sparse=True),
    _index("seq"),
    _index("createdAt", "seq"),
    _index("status", "seq"),
    _index("status", "klass", "rank", "seq"),  # the queue: `queue`
    _index("owner", "status"),
    _index("claimId", sparse=True),
    _index("assignedAt", sparse=True),
    _index("dueAt", sparse=True),
    _index("expiresAt", sparse=True),
    _index("unknownAt", sparse=True),
    _index("name", sparse=True),
    _index("tags", "seq"),
)

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "jobs": JOBS,
    "workers": (_index("workerId", unique=True), _index("lastHeartbeat"), _index("lost", "lastHeartbeat")),
    "heartbeats": (IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=_SERVER_KEPT_SEC),),
    "users": (_index("emailFolded", unique=True),),
    "sessions": (_index("cookieHash", unique=True, sparse=True), _index("expiresAt")),
    "credentials": (_index("workerId"), _index("joinedWith", "workerId", sparse=True)),
    "joinTokens": (_index("secretHash", unique=True), _index("expiresAt"), _index("taken.hash"),
                   _index("taken.workerId")),
}  # fmt: skip


async def prepare(connection: Connection, *, production: bool, make: bool = True) -> None:
    """See that what answers there will do, and make what is missing, or refuse a database that lacks it. Raises
    CmdexecError(`bad_settings`), and what the driver raises."""
    await _look(connection, production)
    if not make and await connection.about.find_one({"_id": "schema"}) is None:
        raise CmdexecError(
            "bad_settings", f"The database {connection.database.name} of MongoDB at {connection.where} holds no store.",
            field=FIELD, mend="Name the database that servers of cmdexec use.",
        )  # fmt: skip
    await _make(connection)


async def _look(connection: Connection, production: bool) -> None:
    """A server that is alone, without a replica set, is refused in production and warned of elsewhere."""
    said = await connection.database.command({"hello": 1})
    if said.get("setName") or said.get("msg") == "isdbgrid":
        return
    told = (
        f"MongoDB at {connection.where} is a server that is alone, not a member of a replica set: when it breaks, jobs "
        "that were acknowledged are lost."
    )
    mend = "Make it a replica set (of three members; one serves to try things out), and name that in the address."
    if production:
        raise CmdexecError("bad_settings", told, field=FIELD, mend=mend)
    connection.warn(told, mend)


async def _make(connection: Connection) -> None:
    """Make what is not there; may be done twice, and by several servers at once. Raises CmdexecError(`bad_settings`)
    for a database of another version."""
    about = connection.about
    found = await about.find_one({"_id": "schema"})
    if found is None:
        for name, indexes in INDEXES.items():
            await connection.database[name].create_indexes(list(indexes))
        await about.update_one({"_id": "schema"}, {"$setOnInsert": {"version": VERSION}}, upsert=True)
        found = await about.find_one({"_id": "schema"})
    version = found.get("version") if found is not None else VERSION
    if version != VERSION:
        raise CmdexecError(
            "bad_settings",
            f"The database {connection.database.name} of MongoDB at {connection.where} holds version {version} of the "
            f"collections; this cmdexec knows {VERSION}.",
            field=FIELD, mend="Start a cmdexec of the version that wrote it, or name another database.",
        )  # fmt: skip
