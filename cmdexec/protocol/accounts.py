"""Who may do what, as people ask it: their own login, users, and the tokens that workers join with."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cmdexec.protocol.messages import JobId, Key, ShortText
from cmdexec.protocol.requests import Request, UserView, View

Role = Literal["viewer", "operator", "admin"]
EMAIL = r"^[^\s@]+@[^\s@]+\Z"
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=EMAIL)]
Password = Annotated[str, Meta(min_length=12, max_length=1024)]

CREDENTIAL_HASH = r"^[0-9a-f]{64}\Z"
DAY = 86400


class Empty(View, frozen=True):
    """Done; there is nothing to say about it."""


class MeView(View, frozen=True):
    """Whose login it is, and what it allows."""

    user: UserView
    permissions: tuple[str, ...]
    expires_at: str
    server_version: str


class NewUser(Request, frozen=True):
    """Without a `password` one is made, and told once."""

    email: Email
    role: Role = "operator"
    password: Password | None = None


class UserId(Request, frozen=True):
    user_id: JobId


class ChangeUser(UserId, frozen=True):
    """What is left out stays. `new_password`: a new one is made, and told once. A changed password, a changed role and
    `disabled` end all logins of that user."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None
    new_password: bool = False


class OwnPassword(Request, frozen=True):
    """Ends all other logins of the user; the one by which it is asked goes on."""

    old_password: Annotated[str, Meta(min_length=1, max_length=1024)]
    password: Password


class UserRowView(View, frozen=True):
    """`password`: only in the answer to who had it made."""

    user_id: str
    email: str
    role: str
    disabled: bool
    created_at: str
    password: str | None


class UsersView(View, frozen=True):
    users: tuple[UserRowView, ...]


class NewJoinToken(Request, frozen=True):
    """`labels` are given to each worker that joins with it, beside its own."""

    name: ShortText | None = None
    uses: Annotated[int, Meta(ge=1, le=100_000)] = 1
    expires_sec: Annotated[float, Meta(ge=1, le=366 * DAY)] = 3600.0
    labels: Annotated[dict[Key, ShortText], Meta(max_length=100)] = msgspec.field(default_factory=dict)


class JoinTokenId(Request, frozen=True):
    join_token_id: JobId


class JoinTokenView(View, frozen=True):
    """`token`: only in the answer that made it. `state`: whether it can still be used, and if not, why."""

    join_token_id: str
    name: str | None
    token: str | None
    state: Literal["good", "used", "expired", "revoked"]
    uses: int
    used: int
    labels: dict[str, str]
    created_at: str
    created_by: str
    expires_at: str
    workers: tuple[str, ...]


class JoinTokensView(View, frozen=True):
    join_tokens: tuple[JoinTokenView, ...]


class Join(Request, frozen=True):
    """A machine asks to become a worker. It makes its credential by itself (`wc_` and 32 random bytes in base64url
    without padding) and says here only its SHA-256: the same again is answered the same, and costs no further use."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    credential_hash: Annotated[str, Meta(pattern=CREDENTIAL_HASH)]
    name: ShortText | None = None


class Joined(View, frozen=True):
    """From now on the credential is good as `x-worker-token`."""

    worker_id: str
    labels: dict[str, str]
