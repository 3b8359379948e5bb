"""What each process is given from outside: virtual time, randomness and ids from the seed, and no threads."""

import asyncio
import random
from typing import Any

from cmdexec.ids import Ids
from cmdexec.log import Log
from cmdexec.runtime import Inline, Runtime
from tests.sim.whole.loop import BEGINS_AT, VirtualLoop

WALL = 1_764_028_800_000
_WALL_APART_SEC = 20.0


class VirtualClock:
    """The loop's time; `skew_sec` by how much this machine's own clock differs that is never set. Its wall clock does
    by less: a worker that proves itself by the shared secret needs one that is about right."""

    def __init__(self, loop: VirtualLoop, skew_sec: float) -> None:
        self._loop, self._skew_sec = loop, skew_sec

    def elapsed(self) -> float:
        return self._loop.time() + self._skew_sec

    def now(self) -> int:
        return WALL + round((self._loop.time() - BEGINS_AT + min(self._skew_sec, _WALL_APART_SEC)) * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class QuietLog(Log):
    """Shows nothing; what is a fault of ours is a fault of the simulation's subject, and the rest is for its story."""

    def __init__(self, world: Any, name: str) -> None:
        super().__init__(f"cmdexec.simulated.{name}")
        self._world, self._who = world, name

    def _write(self, level: int, message: str, about: dict[str, Any], exc: BaseException | None = None) -> None:
        if exc is not None:
            self._world.wrong(f"{self._who} logs {message!r}", exc)
        elif self._world.tell.wanted:
            self._world.tell(self._who, f"logs: {message} {about}")


def runtime_of(world: Any, name: str, skew_sec: float) -> Runtime:
    """For the process of that name."""
    rng = random.Random(f"{world.seed} {name}")
    clock = VirtualClock(world.loop, skew_sec)
    return Runtime(clock, rng, Ids(clock, rng.randbytes), QuietLog(world, name), Inline(), rng.randbytes)
