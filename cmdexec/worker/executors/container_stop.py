"""Ending what runs in a container: TERM, KILL after the grace, until it is over or beyond reach."""

import asyncio
import math

from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_stream import EngineRefusedError

TERM, KILL = "SIGTERM", "SIGKILL"


class Stop:
    """How one container is ended. `wanted`: it was asked for; `sent`: the signals sent so far; `late`: it was not over
    within `kill_deadline_sec` of its KILL."""

    def __init__(self, works: Works) -> None:
        self.wanted = asyncio.Event()
        self.sent: set[str] = set()
        self.late = asyncio.Event()
        self._works = works
        self._sooner = asyncio.Event()
        self._kill_at = math.inf

    def within(self, grace_sec: float) -> None:
        """End it, with so much grace; the shortest counts."""
        self._kill_at = min(self._kill_at, self._works.clock.elapsed() + grace_sec)
        self._sooner.set()
        self.wanted.set()

    async def run(self, engine: EngineCalls, container: str) -> None:
        """Once it is wanted, until cancelled: whoever runs this cancels it when the container is over."""
        await self.wanted.wait()
        if self._left() > 0:
            await self._send(engine, container, TERM)
        while (left := self._left()) > 0:
            self._sooner.clear()
            try:
                async with asyncio.timeout(left):
                    await self._sooner.wait()
            except TimeoutError:
                pass
        await self._send(engine, container, KILL)
        await self._works.clock.sleep(self._works.settings.kill_deadline_sec)
        self.late.set()

    def _left(self) -> float:
        return self._kill_at - self._works.clock.elapsed()

    async def _send(self, engine: EngineCalls, container: str, signal: str) -> None:
        """Until the engine has taken it; for a TERM only as long as there is grace."""
        while True:
            try:
                await self._works.call(lambda: engine.kill(container, signal))
                self.sent.add(signal)
                return
            except (OSError, EngineRefusedError) as wrong:
                self._works.log.debug("the engine took no signal", container=container, error=str(wrong))
                if signal == TERM and self._left() <= 0:
                    return
                await self._works.pause()
