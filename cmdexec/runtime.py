"""What a side is given from outside: clock, randomness, ids, log and threads.

Made in `server/build.py`, `worker/build.py` and the simulator, nowhere else; everything else gets it handed in, so that
a simulation can replay a run from a seed.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cmdexec.clock import Clock, SystemClock
from cmdexec.ids import Ids, RandomBytes
from cmdexec.log import Log

T = TypeVar("T")


class Threads(Protocol):
    """Where blocking calls run."""

    def run(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run `call` off the event loop, from when this is awaited on. Calls may run side by side.

        A caller that is cancelled stops waiting; the call itself goes on to its end.
        """
        ...

    def close(self) -> None:
        """Wait for what runs, and take no more: `run` raises RuntimeError from now on. It blocks, so call it last."""
        ...


class ThreadPool:
    """A few real threads."""

    def __init__(self, size: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class Inline:
    """No threads at all: calls run where they are made. For simulations and short-lived tools."""

    def __init__(self) -> None:
        self._closed = False

    async def run(self, call: Callable[[], T]) -> T:
        if self._closed:
            raise RuntimeError("cannot run a call after close")
        return call()

    def close(self) -> None:
        self._closed = True


@dataclass(frozen=True, slots=True)
class Runtime:
    """`rng` is for jitter and sampling, `secret_bytes` for what nobody may guess."""

    clock: Clock
    rng: random.Random
    ids: Ids
    log: Log
    threads: Threads
    secret_bytes: RandomBytes = os.urandom


def system_runtime(name: str, threads: int = 4) -> Runtime:
    """The real thing: system clock, real randomness, and `threads` threads."""
    clock = SystemClock()
    rng = random.SystemRandom()
    return Runtime(clock, rng, Ids(clock, os.urandom), Log(f"cmdexec.{name}"), ThreadPool(threads, f"cmdexec-{name}"))
