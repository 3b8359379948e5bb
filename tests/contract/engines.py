"""The engines that must keep the contract, and how each is opened. A new engine is one entry in `ENGINES`."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cmdexec.ids import Ids
from cmdexec.log import Log
from cmdexec.runtime import Runtime, ThreadPool, Threads
from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.reads import Reads
from cmdexec.store.sqlite.engine import open_sqlite


class Store(Protocol):
    """What every engine opens."""

    @property
    def reads(self) -> Reads: ...

    @property
    def jobs_write(self) -> JobWrites: ...

    async def close(self) -> None: ...


@dataclass
class HandClock:
    """A clock that moves when it is told to."""

    seconds: float = 1000.0
    wall: int = 1_764_028_800_000

    def elapsed(self) -> float:
        return self.seconds

    def now(self) -> int:
        return self.wall

    async def sleep(self, seconds: float) -> None:
        self.go_on(seconds)

    def go_on(self, seconds: float) -> None:
        """Let that much time pass, on both clocks."""
        self.seconds += seconds
        self.wall += round(seconds * 1000)


def runtime_with(clock: HandClock, threads: Threads, seed: int = 0) -> Runtime:
    """A runtime whose ids and randomness come from `seed`."""
    rng = random.Random(seed)
    return Runtime(clock, rng, Ids(clock, rng.randbytes), Log("cmdexec.test"), threads, rng.randbytes)


def open_sqlite_in(folder: Path, runtime: Runtime) -> Store:
    return open_sqlite(folder, runtime, queue_items=10_000, disk_reserve_bytes=0)


ENGINES: dict[str, Callable[[Path, Runtime], Store]] = {"sqlite": open_sqlite_in}


@dataclass
class Place:
    """Where one store lives: it may be opened, closed and opened again."""

    engine: str
    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    _open: list[tuple[Store, ThreadPool]] = field(default_factory=list)

    def open(self) -> Store:
        threads = ThreadPool(4, "test-store")
        store = ENGINES[self.engine](self.folder, runtime_with(self.clock, threads))
        self._open.append((store, threads))
        return store

    async def close(self) -> None:
        while self._open:
            store, threads = self._open.pop()
            await store.close()
            threads.close()

    async def reopen(self) -> Store:
        """The store as the next process finds it."""
        await self.close()
        return self.open()
