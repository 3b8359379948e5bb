"""A full disk under an open store: in the middle of a commit, as the log grows, and as it is moved into the file."""

from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.runtime import ThreadPool
from cmdexec.store.sqlite.engine import FILE, SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import inserted, jobs
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import becomes, stays

MIB = 1 << 20
LOG_BYTES = 256 * 1024
TABLES_BYTES = 64 * 1024
"""The tables and indexes of a store, without any rows, take more."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        yield disk


@pytest.fixture
async def store(disk: SmallDisk) -> AsyncIterator[SqliteStore]:
    threads = ThreadPool(2, "test-store")
    store = open_sqlite(
        disk.path, runtime_with(HandClock(), threads), queue_items=1000, disk_reserve_bytes=0, log_bytes=LOG_BYTES,
        idle_sec=0.25,
    )  # fmt: skip
    await store.reads.health.commit()
    await becomes(lambda: (disk.path / FILE).stat().st_size > TABLES_BYTES, "what opening wrote is moved into the file")
    yield store
    disk.free()
    await store.close()
    threads.close()


async def code_of(store: SqliteStore, first: int, count: int) -> str | None:
    """Insert so many jobs; the code of the refusal, None when they are stored."""
    try:
        await inserted(store, *jobs(count, first=first))
    except Unavailable as refused:
        return refused.code
    return None


async def is_refused(store: SqliteStore) -> bool:
    """Write something small."""
    try:
        await store.reads.health.commit()
    except Unavailable as refused:
        return refused.code == "disk_full"
    return False


async def test_a_list_is_stored_as_a_whole_or_not_at_all(store: SqliteStore, disk: SmallDisk) -> None:
    """Whatever room is left when it comes, so that the log ends after each of its pages once."""
    stored = 0
    for turn in range(40):
        disk.fill(leave=turn * 4096)
        code = await code_of(store, 1 + turn * 50, 50)
        assert code in (None, "disk_full")
        disk.free()
        stored += 50 if code is None else 0
        assert (await store.reads.jobs.counts()).get(Status.QUEUED, 0) == stored
    assert 0 < stored < 40 * 50, "some were refused and some were not"


async def test_a_log_that_was_moved_is_written_again_without_more_room(store: SqliteStore, disk: SmallDisk) -> None:
    """So what has to be written to end what runs is written, on a disk without a free byte: one refusal now and then,
    and whoever asks again is served."""
    disk.fill()
    refused = [await is_refused(store) for _ in range(200)]
    assert any(refused)
    assert not any(one and other for one, other in pairwise(refused))
    assert disk.free_bytes == 0


async def test_a_log_that_cannot_be_moved_is_kept_and_moved_later(
    store: SqliteStore, disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again whenever the store is idle, and said once."""
    file = disk.path / FILE

    def said() -> int:
        return sum("cannot be moved" in record.getMessage() for record in caplog.records)

    disk.fill(leave=LOG_BYTES * 3 // 4)
    before = file.stat().st_size
    assert await code_of(store, 1, 100) is None
    disk.fill()
    await becomes(said, "it is said that the log cannot be moved")
    await stays(lambda: said() == 1 and file.stat().st_size == before, "the log stays", during=0.6)
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 100
    disk.free()
    await becomes(lambda: file.stat().st_size > before, "the log is moved")
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 100
