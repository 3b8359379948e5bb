"""Login sessions: what a token, or a browser's cookie, stands on. It is good while its row is there, not revoked and
not over, and its user has not been changed in a way that ends all logins."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Refused
from cmdexec.notify.contract import Notify, Revoked
from cmdexec.protocol.operations import ROLES
from cmdexec.server.identity.cookies import could_be_ours
from cmdexec.server.identity.tokens import bad_token
from cmdexec.server.identity.who import Identity
from cmdexec.store.contract.identity import SessionRow, Sessions, Users

_KEPT = 10_000
_COOKIES = 4
"""Looked at, of those that one request has."""

_LOOK_LEAST_SEC = 0.5
"""How often those that are watched are looked at where nothing is kept."""


def hash_of_cookie(value: str) -> str:
    """What is stored of a cookie: SHA-256 (hex); 256 random bits need no slower hash."""
    return sha256(value.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    until: float
    expires_at: int


class LiveSessions:
    """Who a session belongs to, as the store has it; an answer is kept for at most `cache_sec`.

    A Service: it looks whether the sessions that are watched still stand, once in `cache_sec`.
    """

    def __init__(self, sessions: Sessions, users: Users, notify: Notify, clock: Clock, *, cache_sec: float) -> None:
        self._sessions = sessions
        self._users = users
        self._clock = clock
        self._cache_sec = cache_sec
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._ends = 0
        self._watched: dict[str, tuple[Identity, dict[object, Callable[[], None]]]] = {}
        notify.listen(Revoked, self._revoked)

    async def identity(self, jti: str, user_id: str) -> Identity:
        """The user of the session. Raises Refused(`unauthorized`) if it is over, Unavailable(`store_away`)."""
        known = self._kept(jti)
        if known is None:
            known = await self._judge(jti, self._sessions.get(jti))
        if known is None or known.identity.id != user_id:
            raise bad_token()
        return known.identity

    async def of_cookie(self, value: str) -> Identity:
        """The user of a browser's session. Raises as `identity`."""
        if not could_be_ours(value):
            raise _over()
        name = hash_of_cookie(value)
        known = self._kept(name)
        if known is None:
            known = await self._judge(name, self._sessions.by_cookie(name))
        if known is None:
            raise _over()
        return known.identity

    async def of_cookies(self, values: Sequence[str]) -> Identity:
        """The user of the one among these that is good: others of this host can put some beside it, and neither a page
        nor its reader can see which. Raises as `identity`, also where more than one is good."""
        if len(values) == 1:
            return await self.of_cookie(values[0])
        if len(values) <= _COOKIES:
            good: list[Identity] = []
            for value in values:
                with suppress(Refused):
                    good.append(await self.of_cookie(value))
            if not good:
                raise _over()
            if len(good) == 1:
                return good[0]
        raise Refused(
            "unauthorized", f"This site's cookie came {len(values)} times, and only one can be yours.",
            mend="Delete this site's cookies in the browser, and log in again.",
        )  # fmt: skip

    def watch(self, who: Identity, over: Callable[[], None]) -> Callable[[], None]:
        """Call `over` once when the login of `who` has ended: at once where that is announced, else within `cache_sec`.
        It must return at once. The returned function ends it; of who has no login (workers), it is never called."""
        if who.jti is None:
            return _nothing
        _, watching = self._watched.setdefault(who.jti, (who, {}))
        key, jti = object(), who.jti
        watching[key] = over

        def stop() -> None:
            watching.pop(key, None)
            if not watching and jti in self._watched and self._watched[jti][1] is watching:
                del self._watched[jti]

        return stop

    async def ended(self, who: Identity) -> None:
        """Returns when the login of `who` has ended."""
        over = asyncio.Event()
        stop = self.watch(who, over.set)
        try:
            await over.wait()
        finally:
            stop()

    async def run(self) -> None:
        """Look at those that are watched until cancelled."""
        while True:
            await self._clock.sleep(max(self._cache_sec, _LOOK_LEAST_SEC))
            for jti, (who, _) in tuple(self._watched.items()):
                if not await self._stands(jti, who):
                    self._cut(jti)

    async def _stands(self, jti: str, who: Identity) -> bool:
        """While the store is away a login stands until its own end: nobody can say that it does not."""
        if who.expires_at is not None and who.expires_at <= self._clock.now():
            return False
        try:
            return await self._judge(jti, self._sessions.get(jti)) is not None
        except CmdexecError:
            return True

    def _kept(self, name: str) -> _Known | None:
        known = self._known.get(name)
        if known is None or known.until < self._clock.elapsed() or known.expires_at <= self._clock.now():
            self._known.pop(name, None)
            return None
        return known

    async def _judge(self, name: str, row: Awaitable[SessionRow | None]) -> _Known | None:
        """What was read is kept from the moment on at which it was asked for, and not at all if an end was announced
        meanwhile: that may be of what was read."""
        asked, ends = self._clock.elapsed(), self._ends
        session = await row
        if session is None or session.revoked or session.expires_at <= self._clock.now():
            return None
        user = await self._users.get(session.user_id)
        if user is None or user.disabled or user.epoch != session.epoch:
            return None
        identity = Identity(
            "user", user.user_id, ROLES.get(user.role, frozenset()), email=user.email, role=user.role,
            jti=session.jti, expires_at=session.expires_at,
        )  # fmt: skip
        known = _Known(identity, asked + self._cache_sec, session.expires_at)
        if ends == self._ends:
            self._known[name] = known
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return known

    def _revoked(self, hint: Revoked) -> None:
        def meant(who: Identity) -> bool:
            return (hint.jti is not None and who.jti == hint.jti) or (
                hint.user_id is not None and who.id == hint.user_id and (hint.spares is None or who.jti != hint.spares)
            )

        self._ends += 1
        for name in [name for name, known in self._known.items() if meant(known.identity)]:
            del self._known[name]
        for jti in [jti for jti, (who, _) in self._watched.items() if meant(who)]:
            self._cut(jti)

    def _cut(self, jti: str) -> None:
        _, watching = self._watched.pop(jti, (None, {}))
        for over in tuple(watching.values()):
            over()


def _over() -> Refused:
    return Refused("unauthorized", "This login has ended, or is none of this server's.", mend="Log in again.")


def _nothing() -> None:
    return None
