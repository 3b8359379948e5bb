"""Who may do what: users, their sessions, the tokens that workers join with, and the credentials of workers. No usable
secret is kept, only hashes."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class UserRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """`role`: admin, operator or viewer. `email` is kept as written; it is unique without regard to case. `epoch` is
    raised by what ends all logins of the user."""

    user_id: str
    email: str
    role: str
    password_hash: str
    created_at: int
    disabled: bool = False
    epoch: int = 0


class SessionRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One login. `jti` is in its token; `cookie_hash` is SHA-256 (hex) of the browser's opaque cookie. It is good only
    while its user still has the `epoch` that it was made under: so a login that was under way when the password was
    changed is not good either."""

    jti: str
    user_id: str
    created_at: int
    expires_at: int
    cookie_hash: str | None = None
    revoked: bool = False
    epoch: int = 0


class CredentialRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker's own credential. `secret_hash` is SHA-256 (hex) of 256 random bits; `joined_with` is the `secret_hash`
    of the join token that it was made with, which gave the worker its `labels`."""

    secret_hash: str
    worker_id: str
    created_at: int
    revoked: bool = False
    labels: dict[str, str] = {}
    name: str | None = None
    joined_with: str | None = None


class JoinTokenRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What machines become workers with, `uses` times. `secret_hash` is SHA-256 (hex) of the token; `created_by` is
    the user's e-mail address at that time."""

    join_token_id: str
    secret_hash: str
    created_at: int
    expires_at: int
    created_by: str
    uses: int
    used: int = 0
    name: str | None = None
    labels: dict[str, str] = {}
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

    async def all(self, after: str = "", limit: int = 1000) -> list[UserRow]:
        """By id, beginning after `after`."""
        ...

    async def change(
        self, before: UserRow, after: UserRow, *, keeps: str | None = None, spares: str | None = None
    ) -> Literal["changed", "stale", "last"]:
        """Put `after` in the place of `before`, which must stand exactly so (else `stale`); id and address stay.
        `keeps`: only if another user has that role and is not disabled (else `last`). `spares`: the `jti` of a session
        of the user that goes on if it was good, whatever `epoch` becomes."""
        ...


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

    async def of(self, worker_id: str) -> CredentialRow | None:
        """The worker's newest credential that is not revoked: `labels` and `name` are what it was given."""
        ...

    async def revoke_of(self, worker_id: str) -> None: ...


class JoinTokens(Protocol):
    async def insert(self, token: JoinTokenRow) -> None: ...

    async def get(self, join_token_id: str) -> JoinTokenRow | None: ...

    async def by_secret(self, secret_hash: str) -> JoinTokenRow | None: ...

    async def all(self, after: str = "", limit: int = 1000) -> list[JoinTokenRow]:
        """By id, beginning after `after`."""
        ...

    async def workers(self, secret_hashes: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        """The ids of those who joined with each of these tokens, the first `limit` of each, by id."""
        ...

    async def use(self, credential: CredentialRow, now: int) -> CredentialRow | None:
        """Keep the credential, with the token's labels, and count a use of the token `joined_with`, both or neither: if
        that token is there, not revoked, good at `now` and has a use left. Returns the credential as it stands: an
        earlier one of the same hash instead of this one, whoever it belongs to and with no use counted. None if the
        token is not (any more) good for it."""
        ...

    async def revoke(self, join_token_id: str) -> JoinTokenRow | None:
        """The token as revoked; None if there is none."""
        ...

    async def forget_expired(self, now: int, limit: int) -> int:
        """Delete tokens that expired before `now`; how many. What was made with them stays."""
        ...
