"""The engines that must keep the contract, and how each is opened. A new engine is one entry in `ENGINES`."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cmdexec.ids import Ids
from cmdexec.log import Log
from cmdexec.runtime import Runtime, ThreadPool, Threads
from cmdexec.store.contract.engine import Store
from cmdexec.store.sqlite.engine import open_sqlite
from tests.contract.mongo import MongoEngine

__all__ = ["ENGINES", "HandClock", "Place", "Store", "runtime_with"]


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


class Engine(Protocol):
    """What the tests need of an engine."""

    def open(self, folder: Path, runtime: Runtime, lease_sec: float) -> Store:
        """The store of that folder, which it keeps there or elsewhere."""
        ...

    def time(self, folder: Path, clock: HandClock) -> int:
        """What time it is by the store's own clock, in milliseconds."""
        ...

    def go_on(self, folder: Path, seconds: float) -> None:
        """Let that much time pass on the store's own clock, where it has one; the caller lets it pass on its own."""
        ...

    def end(self, folder: Path) -> None:
        """Nobody needs that store any more."""
        ...


class SqliteEngine:
    """Its clock is the one that it is handed."""

    def open(self, folder: Path, runtime: Runtime, lease_sec: float) -> Store:
        return open_sqlite(folder, runtime, queue_items=10_000, disk_reserve_bytes=0, lease_sec=lease_sec)

    def time(self, _folder: Path, clock: HandClock) -> int:
        return clock.wall

    def go_on(self, _folder: Path, _seconds: float) -> None:
        return

    def end(self, _folder: Path) -> None:
        return


ENGINES: dict[str, Engine] = {"sqlite": SqliteEngine(), "mongo": MongoEngine()}


@dataclass
class Place:
    """Where one store lives: it may be opened, closed and opened again."""

    engine: str
    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    _open: list[tuple[Store, ThreadPool]] = field(default_factory=list)
    _opened: int = 0

    def open(self, lease_sec: float = 60.0) -> Store:
        """Each as a process of its own would: none makes the ids of another. `lease_sec`: what it grants."""
        threads = ThreadPool(4, "test-store")
        self._opened += 1
        runtime = runtime_with(self.clock, threads, self._opened)
        store = ENGINES[self.engine].open(self.folder, runtime, lease_sec)
        self._open.append((store, threads))
        return store

    async def close(self) -> None:
        while self._open:
            store, threads = self._open.pop()
            await store.close()
            threads.close()

    async def reopen(self, lease_sec: float = 60.0) -> Store:
        """The store as the next process finds it."""
        await self.close()
        return self.open(lease_sec)

    async def end(self) -> None:
        """Close it, and leave nothing of it."""
        await self.close()
        ENGINES[self.engine].end(self.folder)

    def go_on(self, seconds: float) -> None:
        """Let that much time pass, by every clock."""
        self.clock.go_on(seconds)
        ENGINES[self.engine].go_on(self.folder, seconds)

    def time(self) -> int:
        """What time it is by the store's own clock, in milliseconds."""
        return ENGINES[self.engine].time(self.folder, self.clock)
