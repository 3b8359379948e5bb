"""Opens the store at an address, and closes it."""

from dataclasses import dataclass

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.reads import Reads
from cmdexec.store.mongo import schema
from cmdexec.store.mongo.address import FIELD
from cmdexec.store.mongo.classes import MongoClasses
from cmdexec.store.mongo.connection import Bounds, Connection
from cmdexec.store.mongo.faults import Denied
from cmdexec.store.mongo.health import MongoHealth
from cmdexec.store.mongo.identity import MongoCredentials, MongoSessions, MongoUsers
from cmdexec.store.mongo.jobs import MongoJobReads
from cmdexec.store.mongo.jobs_write import MongoJobWrites
from cmdexec.store.mongo.joining import MongoJoinTokens
from cmdexec.store.mongo.listing import MongoJobLists
from cmdexec.store.mongo.output import MongoOutput
from cmdexec.store.mongo.workers import MongoWorkers


@dataclass(frozen=True, slots=True)
class MongoStore:
    """`cmdexec.store.contract.engine.Store`."""

    reads: Reads
    jobs_write: JobWrites
    _connection: Connection

    async def reach(self) -> None:
        """See now that there is a MongoDB that will do; whoever does not call this is told at the first call.

        Raises CmdexecError(`bad_settings`) for what only a person can mend, Unavailable while it is away: all heals by
        itself when it is there.
        """
        try:
            await self._connection.prepare()
        except Denied as denied:
            raise CmdexecError("bad_settings", denied.message, field=FIELD, mend=denied.mend) from denied

    async def close(self) -> None:
        self._connection.close()


def open_mongo(
    uri: str,
    runtime: Runtime,
    *,
    production: bool = False,
    lease_sec: float = 60.0,
    pool_size: int = 10,
    queue_items: int = 10_000,
    select_sec: float = 10.0,
    connect_sec: float = 10.0,
    answer_sec: float = 30.0,
    confirm_sec: float = 10.0,
    make: bool = True,
) -> MongoStore:
    """The store at that address; `pool_size` and the times are those of `connection.Bounds`.

    production    refuse a MongoDB that may lose what it acknowledged; otherwise that is warned of
    lease_sec     how long the leases are that are granted over this store; other servers may grant others
    make          whether a database that holds no store yet gets what a store needs, or is refused
    queue_items   calls that may wait or be under way; more is answered `overloaded`

    Sends nothing: MongoDB may be away, and the DNS as well. It reads the files that the address names. Raises
    CmdexecError(`bad_settings`) for an address that will not do.
    """
    bounds = Bounds(
        pool_size=pool_size, calls=queue_items, select_sec=select_sec, connect_sec=connect_sec, answer_sec=answer_sec,
        confirm_sec=confirm_sec,
    )  # fmt: skip
    connection = Connection(uri, runtime, bounds, writes=make)
    connection.prepares(lambda: schema.prepare(connection, production=production, make=make))
    output = MongoOutput(connection, bounds)
    reads = Reads(
        jobs=MongoJobReads(connection),
        classes=MongoClasses(connection),
        lists=MongoJobLists(connection),
        output=output,
        workers=MongoWorkers(connection, runtime, lease_sec),
        users=MongoUsers(connection, runtime),
        sessions=MongoSessions(connection),
        credentials=MongoCredentials(connection),
        join_tokens=MongoJoinTokens(connection, runtime),
        health=MongoHealth(connection),
    )
    return MongoStore(reads, MongoJobWrites(connection, output, bounds), connection)
