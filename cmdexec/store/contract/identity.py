"""Who may do what: users, their sessions, and the credentials of workers. No usable secret is kept, only hashes."""

from typing import Protocol

import msgspec


class UserRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """`role`: admin, operator or viewer. `email` is kept as written; it is unique without regard to case."""

    user_id: str
    email: str
    role: str
    password_hash: str
    created_at: int
    disabled: bool = False


class SessionRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One login. `jti` is in its token; `cookie_hash` is SHA-256 (hex) of the browser's opaque cookie."""

    jti: str
    user_id: str
    created_at: int
    expires_at: int
    cookie_hash: str | None = None
    revoked: bool = False


class CredentialRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker's own credential. `secret_hash` is SHA-256 (hex) of 256 random bits."""

    secret_hash: str
    worker_id: str
    created_at: int
    revoked: bool = False


class Users(Protocol):
    async def insert(self, user: UserRow) -> bool:
        """Add a user; False if that e-mail address is taken."""
        ...

    async def by_email(self, email: str) -> UserRow | None: ...

    async def get(self, user_id: str) -> UserRow | None: ...

    async def any(self) -> bool:
        """Whether there is any user."""
        ...

    async def set_password_hash(self, user_id: str, password_hash: str) -> None: ...


class Sessions(Protocol):
    async def insert(self, session: SessionRow) -> None: ...

    async def get(self, jti: str) -> SessionRow | None: ...

    async def by_cookie(self, cookie_hash: str) -> SessionRow | None: ...

    async def revoke(self, jti: str) -> None: ...

    async def forget_expired(self, now: int, limit: int) -> int:
        """Delete sessions that ended before `now`; how many."""
        ...


class Credentials(Protocol):
    async def insert(self, credential: CredentialRow) -> None: ...

    async def get(self, secret_hash: str) -> CredentialRow | None: ...

    async def revoke_of(self, worker_id: str) -> None: ...
