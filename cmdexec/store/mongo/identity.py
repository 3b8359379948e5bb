"""Users, their sessions, and the credentials of workers."""

from typing import Literal

import msgspec
from pymongo.errors import DuplicateKeyError

from cmdexec.errors import Unavailable
from cmdexec.runtime import Runtime
from cmdexec.store.contract.identity import CredentialRow, SessionRow, UserRow
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.finding import forget, one, page
from cmdexec.store.mongo.joining import as_credential, as_document, credential_of, finish_for

_encode = msgspec.msgpack.Encoder().encode
_user = msgspec.msgpack.Decoder(UserRow).decode
_session = msgspec.msgpack.Decoder(SessionRow).decode

_TRIES = 20
"""How often a change is made anew that others were ahead of."""


class MongoUsers:
    """`cmdexec.store.contract.identity.Users`.

    Whether another user of a role is left hangs on more than one document. So a change that asks for it is first
    written down in one place, the document `roles`, on the condition that nothing stands there and nothing has since
    this one looked; then it is done, and crossed out. Whoever finds one there does it first.

    A session that goes on whatever becomes of its user's epoch is told so before: by which change, and what its epoch
    is then. Once the user bears the mark of that change, it is so.
    """

    def __init__(self, connection: Connection, runtime: Runtime) -> None:
        self._connection = connection
        self._ids = runtime.ids

    async def insert(self, user: UserRow) -> bool:
        document = {"_id": user.user_id, "emailFolded": user.email.casefold(), "changes": 0, "doc": _encode(user)}
        try:
            await self._connection.write(lambda: self._connection.users.insert_one(document))
        except DuplicateKeyError:
            await self._connection.catch_up()
            return await self.get(user.user_id) == user  # an earlier call wrote it, and was not told
        return True

    async def by_email(self, email: str) -> UserRow | None:
        return await self._one({"emailFolded": email.casefold()})

    async def get(self, user_id: str) -> UserRow | None:
        return await self._one({"_id": user_id})

    async def any(self) -> bool:
        return await self._connection.read(lambda: self._connection.users.find_one({}, {"_id": 1})) is not None

    async def all(self, after: str = "", limit: int = 1000) -> list[UserRow]:
        return [_user(found["doc"]) for found in await page(self._connection, self._connection.users, after, limit)]

    async def change(
        self, before: UserRow, after: UserRow, *, keeps: str | None = None, spares: str | None = None
    ) -> Literal["changed", "stale", "last"]:
        change = self._ids.new()
        if spares is not None:
            await _tell(self._connection, spares, before, after, change)
        outcome = await self._change(before, after, keeps, change)
        if spares is not None and outcome == "changed":
            await _settle(self._connection, spares, change)
        return outcome

    async def _change(
        self, before: UserRow, after: UserRow, keeps: str | None, change: str
    ) -> Literal["changed", "stale", "last"]:
        users = self._connection.users
        for _ in range(_TRIES):
            number = await self._do_what_is_written_down() if keeps is not None else 0
            found = await self._connection.read(lambda: users.find_one({"_id": before.user_id}))
            if found is None or _user(found["doc"]) != before:
                return "stale"
            written = {"user": before.user_id, "changes": found["changes"], "change": change, "doc": _encode(after)}
            if keeps is None:
                if await self._put(written):
                    return "changed"
                await self._connection.catch_up()
                continue
            if not await self._has_other(before.user_id, keeps):
                return "last"
            if await self._write_down(number, written):
                await self._do_what_is_written_down()
                return "changed"
            await self._connection.catch_up()
        raise Unavailable("overloaded", "Users are being changed by others all the time.", mend="Try again.")

    async def _has_other(self, user_id: str, role: str) -> bool:
        users = self._connection.users
        found = await self._connection.read(lambda: users.find({"_id": {"$ne": user_id}}).to_list(None))
        others = [_user(document["doc"]) for document in found]
        return any(other.role == role and not other.disabled for other in others)

    async def _put(self, written: Document) -> bool:
        """Whether the user was still as it was after so many changes, and is now as written down."""
        which = {"_id": written["user"], "changes": written["changes"]}
        update = {"$set": {"doc": written["doc"], "changes": written["changes"] + 1, "change": written["change"]}}
        done = await self._connection.write(lambda: self._connection.users.update_one(which, update))
        return done.matched_count == 1

    async def _write_down(self, number: int, written: Document) -> bool:
        """Whether nothing was written down since `number`, and now this is."""
        update = {"$set": {"number": number + 1, "written": written}}
        which = {"_id": "roles", "number": number, "written": None}
        done = await self._connection.write(lambda: self._connection.about.update_one(which, update))
        return done.matched_count == 1

    async def _do_what_is_written_down(self) -> int:
        """How many were written down so far; each of them is done."""
        about = self._connection.about
        found = await self._connection.read(lambda: about.find_one({"_id": "roles"}))
        if found is None:
            first = {"$setOnInsert": {"number": 0, "written": None}}
            try:
                await self._connection.write(lambda: about.update_one({"_id": "roles"}, first, upsert=True))
            except DuplicateKeyError:  # another server's came first
                await self._connection.catch_up()
            return await self._do_what_is_written_down()
        number: int = found["number"]
        written = found["written"]
        if written is not None:
            await self._put(written)
            which = {"_id": "roles", "number": number}
            await self._connection.write(lambda: about.update_one(which, {"$set": {"written": None}}))
        return number

    async def _one(self, which: Document) -> UserRow | None:
        return await one(self._connection, self._connection.users, which, lambda found: _user(found["doc"]))


class MongoSessions:
    """`cmdexec.store.contract.identity.Sessions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, session: SessionRow) -> None:
        document = {"expiresAt": session.expires_at, "revoked": session.revoked, "doc": _encode(session)}
        if session.cookie_hash is not None:
            document["cookieHash"] = session.cookie_hash
        await self._connection.write(
            lambda: self._connection.sessions.update_one({"_id": session.jti}, {"$setOnInsert": document}, upsert=True)
        )

    async def get(self, jti: str) -> SessionRow | None:
        return await self._one({"_id": jti})

    async def by_cookie(self, cookie_hash: str) -> SessionRow | None:
        return await self._one({"cookieHash": cookie_hash})

    async def revoke(self, jti: str) -> None:
        update = {"$set": {"revoked": True}}
        await self._connection.write(lambda: self._connection.sessions.update_one({"_id": jti}, update))

    async def forget_expired(self, now: int, limit: int) -> int:
        return await forget(self._connection, self._connection.sessions, {"expiresAt": {"$lt": now}}, limit)

    async def _one(self, which: Document) -> SessionRow | None:
        found = await self._connection.read(lambda: self._connection.sessions.find_one(which))
        if found is None:
            return None
        session = _row(found)
        told = found.get("told")
        if told is None:
            return session
        bears = {"_id": session.user_id, "change": told["change"]}
        if await self._connection.read(lambda: self._connection.users.find_one(bears, {"_id": 1})) is None:
            return session
        return msgspec.structs.replace(session, epoch=told["epoch"])


async def _tell(connection: Connection, jti: str, before: UserRow, after: UserRow, change: str) -> None:
    """That it goes on when that change is made, if it is a good one of that user."""
    sessions = connection.sessions
    session = await MongoSessions(connection).get(jti)
    if session is not None and (session.user_id, session.epoch) == (before.user_id, before.epoch):
        update = {"$set": {"doc": _encode(session), "told": {"change": change, "epoch": after.epoch}}}
        await connection.write(lambda: sessions.update_one({"_id": jti}, update))


async def _settle(connection: Connection, jti: str, change: str) -> None:
    """That change was made: what the session was told is so, and need not be looked up any more."""
    session = await MongoSessions(connection).get(jti)
    if session is not None:
        update = {"$set": {"doc": _encode(session)}, "$unset": {"told": ""}}
        which = {"_id": jti, "told.change": change}
        await connection.write(lambda: connection.sessions.update_one(which, update))


def _row(found: Document) -> SessionRow:
    return msgspec.structs.replace(_session(found["doc"]), revoked=found["revoked"])


class MongoCredentials:
    """`cmdexec.store.contract.identity.Credentials`. One that a join token has been used for is there from that moment
    on: what has yet to be written of it is written by whoever looks for it (`joining`)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, credential: CredentialRow) -> None:
        which, document = {"_id": credential.secret_hash}, as_document(credential)
        await self._connection.write(
            lambda: self._connection.credentials.update_one(which, {"$setOnInsert": document}, upsert=True)
        )

    async def get(self, secret_hash: str) -> CredentialRow | None:
        return await credential_of(self._connection, secret_hash)

    async def of(self, worker_id: str) -> CredentialRow | None:
        await finish_for(self._connection, {"taken.workerId": worker_id})
        which = {"workerId": worker_id, "revoked": False}
        found = await self._connection.read(lambda: self._connection.credentials.find(which).to_list(None))
        good = [as_credential(document) for document in found]
        return max(good, key=lambda row: (row.created_at, row.secret_hash), default=None)

    async def revoke_of(self, worker_id: str) -> None:
        await finish_for(self._connection, {"taken.workerId": worker_id})
        update = {"$set": {"revoked": True}}
        await self._connection.write(lambda: self._connection.credentials.update_many({"workerId": worker_id}, update))
