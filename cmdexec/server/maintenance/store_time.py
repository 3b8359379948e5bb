"""One time for servers that share a store: the store's. Their machines' clocks are not compared (promise 9)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from cmdexec.clock import Millis
from cmdexec.errors import CmdexecError
from cmdexec.ids import Ids
from cmdexec.runtime import Runtime
from cmdexec.store.contract.reads import Health

_QUICK_SEC = 1.0
"""An answer that took longer says too little of when it was given, and is better than none only at first."""

_APART_MS = 5000
"""A machine's clock that is so much off the store's is told of."""


class StoreTime:
    """A Service, and the Clock of all others beside it. It asks the store what time it is, every `every_sec`, and goes
    on by this machine's clock that is never set. Until the store has answered once it is the machine's wall clock."""

    def __init__(self, health: Health, runtime: Runtime, *, every_sec: float) -> None:
        self._health = health
        self._own = runtime.clock
        self._log = runtime.log
        self._every_sec = every_sec
        self._known: tuple[Millis, float] | None = None
        self._apart = False
        self._told = asyncio.Event()
        self.runtime = replace(runtime, clock=self, ids=Ids(self, runtime.secret_bytes))

    def elapsed(self) -> float:
        return self._own.elapsed()

    def now(self) -> Millis:
        if self._known is None:
            return self._own.now()
        told, at = self._known
        return told + round((self._own.elapsed() - at) * 1000)

    async def sleep(self, seconds: float) -> None:
        await self._own.sleep(seconds)

    def before(self, run: Callable[[], Awaitable[None]]) -> "After":
        """A Service that is begun when the store has answered once: for what must not go by another clock."""
        return After(self._told, run)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.look()
            await self._own.sleep(self._every_sec if self._known is not None else min(self._every_sec, _QUICK_SEC))

    async def look(self) -> None:
        """Ask once; a store that is away is asked later."""
        asked = self._own.elapsed()
        try:
            told = await self._health.commit()
        except CmdexecError as away:
            self._log.debug("the store was not asked for the time", code=away.code)
            return
        took = self._own.elapsed() - asked
        if told is None or (took > _QUICK_SEC and self._known is not None):
            return
        self._known = (told, asked + took / 2)
        self._told.set()
        self._compare()

    def _compare(self) -> None:
        """Say once that this machine's clock is wrong, or the store's."""
        ahead = self._own.now() - self.now()
        apart = abs(ahead) > _APART_MS
        if apart and not self._apart:
            self._log.warning(
                "this machine's clock is not the store's; by that goes what is stored, and what is due",
                ahead_sec=round(ahead / 1000), mend="Let the machines of servers and store keep time by NTP.",
            )  # fmt: skip
        self._apart = apart


@dataclass(frozen=True, slots=True)
class After:
    """A Service: another one, begun later."""

    moment: asyncio.Event
    begin: Callable[[], Awaitable[None]]

    async def run(self) -> None:
        """Wait, then be that service until cancelled."""
        await self.moment.wait()
        await self.begin()
