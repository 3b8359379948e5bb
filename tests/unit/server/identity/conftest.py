"""Identity over a real store, on a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cmdexec.notify.local import LocalNotify
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite


class HandClock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_764_000_000.0
        self.ahead_ms = 0

    def elapsed(self) -> float:
        return self.seconds

    def now(self) -> int:
        return int(self.seconds * 1000) + self.ahead_ms

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)  # so that a loop that sleeps again and again lets others have their turn


@dataclass
class Around:
    """What identity is built on."""

    folder: Path
    clock: HandClock
    runtime: Runtime
    notify: LocalNotify
    store: SqliteStore


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Around]:
    real = system_runtime("test", 2)
    clock = HandClock()
    runtime = replace(real, clock=clock)
    store = open_sqlite(tmp_path, real, queue_items=1000, disk_reserve_bytes=0)
    yield Around(tmp_path, clock, runtime, LocalNotify(runtime.log), store)
    await store.close()
    real.threads.close()
