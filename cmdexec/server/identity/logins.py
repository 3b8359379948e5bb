"""Logging in: a password becomes a session, and the session a token."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from cmdexec.errors import Refused, Unavailable
from cmdexec.notify.contract import Notify, Revoked
from cmdexec.runtime import Runtime
from cmdexec.server.identity.addresses import tidy
from cmdexec.server.identity.cookies import could_be_ours
from cmdexec.server.identity.keys import KeyRing
from cmdexec.server.identity.passwords import Passwords
from cmdexec.server.identity.sessions import hash_of_cookie
from cmdexec.server.identity.throttle import Throttle, source_key
from cmdexec.server.identity.tokens import bad_token, issue
from cmdexec.server.identity.who import Identity
from cmdexec.store.contract.identity import SessionRow, Sessions, UserRow, Users

_COOKIES = 4
"""Looked at, of those that one request has."""

_TRIES = 5

PLACE_TIMES = 4
"""Several people may share an address."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login that succeeded; `expires_at` in milliseconds since 1970. `cookie`: a browser's, where one was asked."""

    token: str = field(repr=False)
    expires_at: int
    user: UserRow = field(repr=False)
    jti: str
    lasts_sec: int
    cookie: str | None = field(default=None, repr=False)


class Logins:
    """Checks passwords, with a throttle for each account and each source."""

    def __init__(
        self, users: Users, sessions: Sessions, passwords: Passwords, keys: KeyRing, throttle: Throttle,
        notify: Notify, runtime: Runtime, *, token_ttl_sec: float, free_tries: int,
    ) -> None:  # fmt: skip
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._keys = keys
        self._throttle = throttle
        self._notify = notify
        self._runtime = runtime
        self._free = free_tries
        self._ttl_ms = int(token_ttl_sec * 1000)

    async def log_in(self, email: str, password: str, source: str, *, cookie: bool = False) -> Login:
        """Raises Refused(`bad_credentials`), the same for a wrong password and for an unknown or disabled user, and
        Unavailable(`too_many` | `overloaded` | `store_away`). `source`: the address it comes from; empty where
        nobody can tell, then it counts for the account alone."""
        email = tidy(email)
        account, free = self._counted(email, source)
        async with self._throttle.turn(free) as turn:
            user = await self._users.by_email(email)
            right = await self._passwords.check(password, user.password_hash if user else None)
            if user is None or not right or user.disabled:
                turn.failed()
                self._runtime.log.warning("a login failed", source=source)
                raise Refused("bad_credentials", "E-mail address or password is wrong.")
            self._throttle.succeeded(account)
        if await self._passwords.outdated(user.password_hash):
            anew = replace(user, password_hash=await self._passwords.hash(password))
            await self._users.change(user, anew)  # unless the user was changed meanwhile: then that counts
        self._runtime.log.info("a user logged in", user=user.user_id, source=source)
        return await self.open(user, cookie=cookie)

    async def change_password(self, who: Identity, old: str, new: str, source: str) -> None:
        """Give `who` another password; all other logins of the user end. A wrong `old` counts as a failed login does.

        Raises Refused(`forbidden`) if `old` is not the password, Refused(`unauthorized`) if the user is gone, and
        Unavailable(`too_many` | `overloaded` | `store_away`).
        """
        account, free = self._counted(who.email or "", source)
        async with self._throttle.turn(free) as turn:
            hashed: str | None = None
            for _ in range(_TRIES):
                user = await self._users.get(who.id or "")
                if user is None or user.disabled:
                    raise bad_token()
                if not await self._passwords.check(old, user.password_hash):
                    turn.failed()
                    raise Refused("forbidden", "This is not the password that you have.", field="oldPassword")
                self._throttle.succeeded(account)
                hashed = hashed or await self._passwords.hash(new)
                after = replace(user, password_hash=hashed, epoch=user.epoch + 1)
                if await self._users.change(user, after, spares=who.jti) == "changed":
                    self._runtime.log.info("a user changed the password", user=user.user_id, source=source)
                    self._notify.publish(Revoked(user_id=user.user_id, spares=who.jti))
                    return
        raise Unavailable("overloaded", "Others are changing this user at the same time.", mend="Try it again.")

    def _counted(self, email: str, source: str) -> tuple[str, dict[str, int]]:
        """What a try with a password counts under: the account, and all with how many failures are free."""
        account = f"account {email.casefold()[:254]}"
        place = {source_key(source): self._free * PLACE_TIMES} if source else {}
        return account, {account: self._free} | place

    async def log_out(self, who: Identity) -> None:
        """End the session that `who` speaks by. Raises Unavailable(`store_away`)."""
        if who.jti is not None:
            await self._sessions.revoke(who.jti)
            self._notify.publish(Revoked(jti=who.jti))

    async def log_out_cookies(self, values: Iterable[str]) -> None:
        """End the sessions of these cookies, which the browser is about to forget. Raises Unavailable(`store_away`)."""
        for jti in await self._of_cookies(values):
            await self._sessions.revoke(jti)
            self._notify.publish(Revoked(jti=jti))

    async def is_of(self, who: Identity, values: Iterable[str]) -> bool:
        """Whether one of these cookies is of the session that `who` speaks by. Raises Unavailable(`store_away`)."""
        return who.jti is not None and who.jti in await self._of_cookies(values)

    async def _of_cookies(self, values: Iterable[str]) -> list[str]:
        ours = [value for value in values if could_be_ours(value)][:_COOKIES]
        rows = [await self._sessions.by_cookie(hash_of_cookie(value)) for value in ours]
        return [row.jti for row in rows if row is not None]

    async def open(self, user: UserRow, *, cookie: bool = False) -> Login:
        """A session and its token for `user`, without asking for a password; with `cookie` a browser's cookie too."""
        now = self._runtime.clock.now()
        jti = self._runtime.secret_bytes(16).hex()
        expires_at = now + self._ttl_ms
        value = base64.urlsafe_b64encode(self._runtime.secret_bytes(32)).decode().rstrip("=") if cookie else None
        hashed = hash_of_cookie(value) if value is not None else None
        await self._sessions.insert(SessionRow(jti, user.user_id, now, expires_at, hashed, epoch=user.epoch))
        token = issue(
            self._keys, user_id=user.user_id, jti=jti, issued_at=now // 1000, expires_at=-(-expires_at // 1000)
        )
        return Login(token, expires_at, user, jti, self._ttl_ms // 1000, value)
