"""Users, their sessions, the tokens that workers join with, and the credentials of workers."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec

from cmdexec.store.contract.identity import CredentialRow, JoinTokenRow, SessionRow, UserRow
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
_join_token = msgspec.msgpack.Decoder(JoinTokenRow).decode


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

    async def all(self, after: str = "", limit: int = 1000) -> list[UserRow]:
        rows = await self._readers.run(lambda db: db.rows(_SQL["user_page"], (after, limit)))
        return [_user(row[0]) for row in rows]

    async def change(
        self, before: UserRow, after: UserRow, *, keeps: str | None = None, spares: str | None = None
    ) -> Literal["changed", "stale", "last"]:
        def write(transaction: Transaction) -> Literal["changed", "stale", "last"]:
            row = transaction.db.row(_SQL["user_get"], (before.user_id,))
            if row is None or _user(row[0]) != before:
                return "stale"
            if keeps is not None:
                others = [_user(row[0]) for row in transaction.db.rows(_SQL["user_others"], (before.user_id,))]
                if not any(other.role == keeps and not other.disabled for other in others):
                    return "last"
            transaction.db.run(_SQL["user_update"], (_encode(after), before.user_id))
            found = transaction.db.row(_SQL["session_get"], (spares,)) if spares is not None else None
            session = _session(found[0]) if found else None
            if session is not None and (session.user_id, session.epoch) == (before.user_id, before.epoch):
                goes_on = msgspec.structs.replace(session, epoch=after.epoch)
                transaction.db.run(_SQL["session_update"], (_encode(goes_on), spares))
            return "changed"

        return await self._writer.run(write)


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
        await self._writer.run(lambda transaction: _keep(transaction, credential))

    async def get(self, secret_hash: str) -> CredentialRow | None:
        return await _read(self._readers, "credential_get", secret_hash, _credential)

    async def of(self, worker_id: str) -> CredentialRow | None:
        rows = await self._readers.run(lambda db: db.rows(_SQL["credential_of"], (worker_id,)))
        good = [row for row in (_credential(doc) for _, doc in rows) if not row.revoked]
        return max(good, key=lambda row: (row.created_at, row.secret_hash), default=None)

    async def revoke_of(self, worker_id: str) -> None:
        def write(transaction: Transaction) -> None:
            for secret_hash, doc in transaction.db.rows(_SQL["credential_of"], (worker_id,)):
                credential = msgspec.structs.replace(_credential(doc), revoked=True)
                transaction.db.run(_SQL["credential_update"], (_encode(credential), secret_hash))

        await self._writer.run(write)


class SqliteJoinTokens:
    """`cmdexec.store.contract.identity.JoinTokens`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def insert(self, token: JoinTokenRow) -> None:
        bindings = (token.join_token_id, token.secret_hash, token.expires_at, _encode(token))
        await self._writer.run(lambda transaction: transaction.db.run(_SQL["join_token_insert"], bindings))

    async def get(self, join_token_id: str) -> JoinTokenRow | None:
        return await _read(self._readers, "join_token_get", join_token_id, _join_token)

    async def by_secret(self, secret_hash: str) -> JoinTokenRow | None:
        return await _read(self._readers, "join_token_by_secret", secret_hash, _join_token)

    async def all(self, after: str = "", limit: int = 1000) -> list[JoinTokenRow]:
        rows = await self._readers.run(lambda db: db.rows(_SQL["join_token_page"], (after, limit)))
        return [_join_token(row[0]) for row in rows]

    async def workers(self, secret_hashes: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        def read(db: Connection) -> list[list[Row]]:
            return [db.rows(_SQL["credential_joined"], (one, limit)) for one in secret_hashes]

        return [tuple(row[0] for row in rows) for rows in await self._readers.run(read)]

    async def use(self, credential: CredentialRow, now: int) -> CredentialRow | None:
        def write(transaction: Transaction) -> CredentialRow | None:
            earlier = transaction.db.row(_SQL["credential_get"], (credential.secret_hash,))
            if earlier is not None:
                return _credential(earlier[0])
            found = transaction.db.row(_SQL["join_token_by_secret"], (credential.joined_with,))
            token = _join_token(found[0]) if found is not None else None
            if token is None or token.revoked or token.used >= token.uses or token.expires_at <= now:
                return None
            used = msgspec.structs.replace(token, used=token.used + 1)
            transaction.db.run(_SQL["join_token_update"], (_encode(used), token.join_token_id))
            given = msgspec.structs.replace(credential, labels=token.labels)
            _keep(transaction, given)
            return given

        return await self._writer.run(write)

    async def revoke(self, join_token_id: str) -> JoinTokenRow | None:
        def write(transaction: Transaction) -> JoinTokenRow | None:
            row = transaction.db.row(_SQL["join_token_get"], (join_token_id,))
            if row is None:
                return None
            token = msgspec.structs.replace(_join_token(row[0]), revoked=True)
            transaction.db.run(_SQL["join_token_update"], (_encode(token), join_token_id))
            return token

        return await self._writer.run(write)

    async def forget_expired(self, now: int, limit: int) -> int:
        return await self._writer.run(lambda transaction: transaction.db.run(_SQL["join_token_forget"], (now, limit)))


def _keep(transaction: Transaction, credential: CredentialRow) -> None:
    bindings = (credential.secret_hash, credential.worker_id, credential.joined_with, _encode(credential))
    transaction.db.run(_SQL["credential_insert"], bindings)


async def _read(readers: Readers, query: str, key: str, decode: Callable[[bytes], S]) -> S | None:
    def read(db: Connection) -> Row | None:
        return db.row(_SQL[query], (key,))

    row = await readers.run(read)
    return decode(row[0]) if row else None
