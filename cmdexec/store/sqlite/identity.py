"""Users, their sessions, and the credentials of workers."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from cmdexec.store.contract.identity import CredentialRow, SessionRow, UserRow
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Writer

S = TypeVar("S")
_SQL = load("identity")
_encode = msgspec.msgpack.Encoder().encode
_user = msgspec.msgpack.Decoder(UserRow).decode
_session = msgspec.msgpack.Decoder(SessionRow).decode
_credential = msgspec.msgpack.Decoder(CredentialRow).decode


class SqliteUsers:
    """`cmdexec.store.contract.identity.Users`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def insert(self, user: UserRow) -> bool:
        bindings = (user.user_id, user.email.casefold(), _encode(user))
        return await self._writer.run(lambda transaction: transaction.db.run(_SQL["user_insert"], bindings) == 1)

    async def by_email(self, email: str) -> UserRow | None:
        return await _read(self._readers, "user_by_email", email.casefold(), _user)

    async def get(self, user_id: str) -> UserRow | None:
        return await _read(self._readers, "user_get", user_id, _user)

    async def any(self) -> bool:
        return await self._readers.run(lambda db: db.row(_SQL["user_any"]) is not None)

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        def write(transaction: Transaction) -> None:
            row = transaction.db.row(_SQL["user_get"], (user_id,))
            if row:
                user = msgspec.structs.replace(_user(row[0]), password_hash=password_hash)
                transaction.db.run(_SQL["user_update"], (_encode(user), user_id))

        await self._writer.run(write)


class SqliteSessions:
    """`cmdexec.store.contract.identity.Sessions`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def insert(self, session: SessionRow) -> None:
        bindings = (session.jti, session.cookie_hash, session.expires_at, _encode(session))
        await self._writer.run(lambda transaction: transaction.db.run(_SQL["session_insert"], bindings))

    async def get(self, jti: str) -> SessionRow | None:
        return await _read(self._readers, "session_get", jti, _session)

    async def by_cookie(self, cookie_hash: str) -> SessionRow | None:
        return await _read(self._readers, "session_by_cookie", cookie_hash, _session)

    async def revoke(self, jti: str) -> None:
        def write(transaction: Transaction) -> None:
            row = transaction.db.row(_SQL["session_get"], (jti,))
            if row:
                session = msgspec.structs.replace(_session(row[0]), revoked=True)
                transaction.db.run(_SQL["session_update"], (_encode(session), jti))

        await self._writer.run(write)

    async def forget_expired(self, now: int, limit: int) -> int:
        return await self._writer.run(lambda transaction: transaction.db.run(_SQL["session_forget"], (now, limit)))


class SqliteCredentials:
    """`cmdexec.store.contract.identity.Credentials`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def insert(self, credential: CredentialRow) -> None:
        bindings = (credential.secret_hash, credential.worker_id, _encode(credential))
        await self._writer.run(lambda transaction: transaction.db.run(_SQL["credential_insert"], bindings))

    async def get(self, secret_hash: str) -> CredentialRow | None:
        return await _read(self._readers, "credential_get", secret_hash, _credential)

    async def revoke_of(self, worker_id: str) -> None:
        def write(transaction: Transaction) -> None:
            for secret_hash, doc in transaction.db.rows(_SQL["credential_of"], (worker_id,)):
                credential = msgspec.structs.replace(_credential(doc), revoked=True)
                transaction.db.run(_SQL["credential_update"], (_encode(credential), secret_hash))

        await self._writer.run(write)


async def _read(readers: Readers, query: str, key: str, decode: Callable[[bytes], S]) -> S | None:
    def read(db: Connection) -> Row | None:
        return db.row(_SQL[query], (key,))

    row = await readers.run(read)
    return decode(row[0]) if row else None
