"""A store in a folder of its own, on whatever disk temporary files are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.runtime import ThreadPool, Threads
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite
from cmdexec.store.sqlite.writer import Bounds, Writer
from tests.contract.engines import HandClock, runtime_with
from tests.unit.store.notes import BOUNDS, Make, connected


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    threads = ThreadPool(4, "test-store")
    store = open_sqlite(tmp_path, runtime_with(HandClock(), threads), queue_items=10_000, disk_reserve_bytes=0)
    yield store
    await store.close()
    threads.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.sqlite"


@pytest.fixture
async def make(path: Path) -> AsyncIterator[Make]:
    """Makes the writer of the test; closes it."""
    made: list[Writer] = []
    pool = ThreadPool(2, "test-writer")

    def make(bounds: Bounds = BOUNDS, threads: Threads = pool) -> Writer:
        made.append(Writer(connected(path), runtime_with(HandClock(), threads), bounds))
        return made[-1]

    yield make
    for writer in made:
        await writer.close()
    pool.close()
