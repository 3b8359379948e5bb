"""A store in a folder of its own, on whatever disk temporary files are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.runtime import ThreadPool
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    threads = ThreadPool(4, "test-store")
    store = open_sqlite(tmp_path, runtime_with(HandClock(), threads), queue_items=10_000, disk_reserve_bytes=0)
    yield store
    await store.close()
    threads.close()
