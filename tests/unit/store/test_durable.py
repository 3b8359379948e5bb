"""An answer comes after the flush of what it answers for, and a disk that fails loses nothing that was answered."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.runtime import ThreadPool
from cmdexec.store.contract.jobs_write import InlineOutput
from cmdexec.store.contract.output import Append, OutputRow
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import changed, inserted, job, jobs, started, wanted, worker, write
from tests.unit.store.disk import Disk, watched


@pytest.fixture
def disk() -> Iterator[Disk]:
    with watched() as disk:
        yield disk


@pytest.fixture
async def store(disk: Disk, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    threads = ThreadPool(4, "test-store")
    store = open_sqlite(tmp_path, runtime_with(HandClock(), threads), queue_items=10_000, disk_reserve_bytes=0)
    yield store
    disk.full = disk.no_flush = False
    disk.errno = 0
    await store.close()
    threads.close()


async def test_each_answer_comes_after_a_flush_of_what_was_written_for_it(store: SqliteStore, disk: Disk) -> None:
    async def answered(call: Awaitable[object]) -> None:
        writes, flushes = disk.writes["wal"], disk.flushes["wal"]
        await call
        assert disk.writes["wal"] > writes
        assert disk.flushes["wal"] > flushes
        assert disk.unflushed == set()

    await answered(store.jobs_write.insert(jobs(3)))
    claimed = await store.jobs_write.claim(wanted("c1", limit=1))
    assert disk.unflushed == set()
    go = changed(claimed[0], status=Status.RUNNING)
    await answered(store.jobs_write.apply([write(claimed[0], go, "x1", opens=1)]))
    await answered(store.reads.output.append([Append(go.job_id, 1, "s1", "stdout", 0, b"x" * 70_000, 1 << 30)]))
    piece = InlineOutput("stdout", 70_000, b"y")
    end = changed(go, status=Status.COMPLETED)
    await answered(store.jobs_write.apply([write(go, end, "x2", append_to=1, append=(piece,), closes=1)]))
    await answered(store.jobs_write.forget_submit_keys(1 << 60, 1))
    await answered(store.reads.workers.register(worker()))
    await answered(store.reads.workers.revoke("w1"))
    await answered(store.reads.health.commit())


async def test_calls_that_wait_share_one_flush(store: SqliteStore, disk: Disk) -> None:
    await inserted(store, job(0))
    before = disk.flushes["wal"]
    await asyncio.gather(*(store.jobs_write.insert([job(number)]) for number in range(1, 201)))
    assert disk.flushes["wal"] - before <= 10
    assert disk.unflushed == set()


async def test_renewing_leases_writes_nothing(store: SqliteStore, disk: Disk) -> None:
    await store.reads.workers.register(worker())
    before = disk.writes["wal"]
    for _ in range(50):
        await store.reads.workers.renew(["w1"])
    assert disk.writes["wal"] == before


async def refused(call: Callable[[], Awaitable[object]]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await call()
    return caught.value


async def test_a_full_disk_refuses_stores_nothing_of_it_and_recovers_by_itself(store: SqliteStore, disk: Disk) -> None:
    go = await started(store)
    disk.full = True
    for _ in range(3):
        error = await refused(lambda: store.jobs_write.insert(jobs(500, first=10)))
        assert (error.code, bool(error.mend)) == ("disk_full", True)
    piece = Append(go.job_id, 1, "s1", "stdout", 0, b"z" * (2 << 20), 1 << 30)
    assert (await refused(lambda: store.reads.output.append([piece]))).code == "disk_full"
    assert (await refused(store.reads.health.commit)).code == "disk_full"
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 0
    assert await store.reads.output.rows([(go.job_id, 1)]) == [OutputRow(go.job_id, 1, "s1", True)]
    disk.full = False
    await inserted(store, *jobs(500, first=10))
    (outcome,) = await store.reads.output.append([piece])
    assert outcome.stored == 2 << 20
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 500
    assert await store.reads.jobs.waiting_of("owner") == 500


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EDQUOT, "disk_full"), (errno.ENOSPC, "disk_full"), (errno.EROFS, "store_away")]
)  # fmt: skip
async def test_a_used_up_quota_is_a_full_disk_and_a_read_only_one_is_not(
    store: SqliteStore, disk: Disk, number: int, code: str
) -> None:
    """And both are gone on with when they are mended."""
    disk.errno = number
    for _ in range(2):
        assert (await refused(lambda: store.jobs_write.insert([job(1)]))).code == code
    disk.errno = 0
    await inserted(store, job(1))
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 1


async def test_a_failing_flush_is_no_acknowledgement_and_the_call_may_be_made_again(
    store: SqliteStore, disk: Disk
) -> None:
    await inserted(store, job(0))
    last = store.reads.health.last_write()
    disk.no_flush = True
    outcomes = await asyncio.gather(
        store.jobs_write.insert([job(1)]), store.jobs_write.claim(wanted("c1")), return_exceptions=True
    )
    assert [isinstance(outcome, Unavailable) and outcome.code for outcome in outcomes] == ["store_away"] * 2
    assert store.reads.health.last_write() == last
    disk.no_flush = False
    await inserted(store, job(1))
    assert len(await store.jobs_write.claim(wanted("c1"))) == 2


async def test_new_jobs_are_refused_below_the_reserve_and_everything_else_goes_on(tmp_path: Path) -> None:
    threads = ThreadPool(2, "test-store")
    runtime = runtime_with(HandClock(), threads)
    store = open_sqlite(tmp_path, runtime, queue_items=100, disk_reserve_bytes=0)
    go = await started(store)
    await store.close()
    store = open_sqlite(tmp_path, runtime, queue_items=100, disk_reserve_bytes=1 << 62)
    outcomes = await asyncio.gather(
        store.jobs_write.insert([job(1)]),
        store.jobs_write.apply([write(go, changed(go, status=Status.COMPLETED), "x1", closes=1)]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], Unavailable)
    assert (outcomes[0].code, outcomes[0].status) == ("disk_full", 507)
    assert (await store.reads.jobs.counts())[Status.COMPLETED] == 1
    await store.close()
    threads.close()
