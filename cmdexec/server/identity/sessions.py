"""Login sessions: what a token stands on. A token is good while its row is there, not revoked and not over."""

from collections import OrderedDict
from dataclasses import dataclass

from cmdexec.clock import Clock
from cmdexec.notify.contract import Notify, Revoked
from cmdexec.protocol.operations import ROLES
from cmdexec.server.identity.tokens import bad_token
from cmdexec.server.identity.who import Identity
from cmdexec.store.contract.identity import Sessions, Users

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    until: float
    expires_at: int


class LiveSessions:
    """Who a session belongs to, as the store has it; an answer is kept for at most `cache_sec`."""

    def __init__(self, sessions: Sessions, users: Users, notify: Notify, clock: Clock, *, cache_sec: float) -> None:
        self._sessions = sessions
        self._users = users
        self._clock = clock
        self._cache_sec = cache_sec
        self._known: OrderedDict[str, _Known] = OrderedDict()
        notify.listen(Revoked, self._revoked)

    async def identity(self, jti: str, user_id: str) -> Identity:
        """The user of the session. Raises Refused(`unauthorized`) if it is over, Unavailable(`store_away`)."""
        known = self._known.get(jti)
        now = self._clock.now()
        if known is None or known.until < self._clock.elapsed() or known.expires_at <= now:
            known = await self._look_up(jti)
        if known is None or known.identity.id != user_id or known.expires_at <= now:
            raise bad_token()
        return known.identity

    async def _look_up(self, jti: str) -> _Known | None:
        self._known.pop(jti, None)
        asked = self._clock.elapsed()
        session = await self._sessions.get(jti)
        if session is None or session.revoked:
            return None
        user = await self._users.get(session.user_id)
        if user is None or user.disabled:
            return None
        identity = Identity(
            "user", user.user_id, ROLES.get(user.role, frozenset()), email=user.email, role=user.role, jti=jti
        )
        known = self._known[jti] = _Known(identity, asked + self._cache_sec, session.expires_at)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return known

    def _revoked(self, hint: Revoked) -> None:
        if hint.jti is not None:
            self._known.pop(hint.jti, None)
        if hint.user_id is not None:
            for jti in [jti for jti, known in self._known.items() if known.identity.id == hint.user_id]:
                del self._known[jti]
