"""Whether the server does its work. Everybody may ask, so asking is cheap: a check is made once a second at most."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.protocol.operations import Permission
from cmdexec.protocol.requests import HealthView
from cmdexec.runtime import Runtime
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.store.contract.reads import Health

_GOOD_FOR_SEC = 1.0
_PATIENCE_SEC = 5.0


class Checked(Protocol):
    """Something else that this server uses."""

    @property
    def state(self) -> str:
        """`ok`, or a sentence that says what is wrong."""
        ...


_NOTHING: Mapping[str, Checked] = {}


class HealthApi:
    """`health`, `live` and `ready`. `others`: by name what is looked at besides; a server is ready without it."""

    def __init__(
        self, store: Health, runtime: Runtime, *, draining: Callable[[], bool], disk_reserve_bytes: int,
        others: Mapping[str, Checked] = _NOTHING,
    ) -> None:  # fmt: skip
        self._store = store
        self._others = others
        self._clock = runtime.clock
        self._draining = draining
        self._reserve = disk_reserve_bytes
        self._started = runtime.clock.elapsed()
        self._checked: float | None = None
        self._commits = False
        self._disk = "ok"
        self._checking = asyncio.Lock()

    def handlers(self) -> Handlers:
        return {"health": self.health, "live": self.live, "ready": self.ready}

    async def health(self, call: Call) -> Reply:
        await self._check()
        checks = {
            "store": "ok" if self._commits else "away",
            "disk": self._disk,
            "taking jobs": "no, it is stopping" if self._draining() else "ok",
        } | {name: one.state for name, one in self._others.items()}
        healthy = all(state == "ok" for state in checks.values())
        shown = checks if call.who.may(Permission.VIEW_HEALTH) else None
        return Reply(self._view(healthy=healthy, checks=shown))

    async def live(self, _call: Call) -> Reply:
        return Reply(self._view(healthy=True))

    async def ready(self, _call: Call) -> Reply:
        if self._draining():
            raise Unavailable("draining", "This server is stopping.", retry_after=5.0)
        await self._check()
        if not self._commits:
            raise Unavailable("store_away", "The store cannot write at the moment.", retry_after=2.0)
        return Reply(self._view(healthy=True))

    def _view(self, *, healthy: bool, checks: dict[str, str] | None = None) -> HealthView:
        uptime = round(self._clock.elapsed() - self._started, 3)
        return HealthView(status="healthy" if healthy else "degraded", uptime=uptime, checks=checks)

    async def _check(self) -> None:
        """A write that succeeded just now is proof enough; else one of no meaning is made."""
        async with self._checking:
            now = self._clock.elapsed()
            if self._checked is not None and now - self._checked < _GOOD_FOR_SEC:
                return
            fault = await self._fault_of_a_write(now)
            self._commits = fault is None
            self._disk = "full" if fault == "disk_full" else await self._room()
            self._checked = self._clock.elapsed()

    async def _fault_of_a_write(self, now: float) -> str | None:
        """The code of what keeps the store from writing; None when it writes."""
        written = self._store.last_write()
        if written is not None and now - written < _GOOD_FOR_SEC:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SEC):
                await self._store.commit()
        except CmdexecError as fault:
            return fault.code
        except TimeoutError:
            return "timeout"
        return None

    async def _room(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_SEC):
                room = await self._store.room()
        except TimeoutError:
            return "away"
        return "ok" if room.free_bytes is None or room.free_bytes >= self._reserve else "low"
