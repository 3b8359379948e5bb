"""What may not grow: the work of a claim with the number of jobs, and memory with the size of the output."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.model.job import Status
from cmdexec.runtime import Inline
from cmdexec.store.sqlite.engine import SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import changed, inserted, job, wanted, write

WRITE_AND_READ = """
import asyncio, re, sys
from pathlib import Path
from cmdexec.runtime import ThreadPool
from cmdexec.store.contract.output import Append
from cmdexec.store.sqlite.engine import open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import started

MIB = 1 << 20

def peak_mib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

async def main(folder):
    threads = ThreadPool(4, "store")
    store = open_sqlite(Path(folder), runtime_with(HandClock(), threads), queue_items=1000, disk_reserve_bytes=0)
    go = await started(store)
    end = 0
    for total in (10 * MIB, 60 * MIB):
        while end < total:
            piece = Append(go.job_id, 1, "s1", "stdout", end, bytes([end // MIB % 251]) * MIB, 1 << 40)
            (outcome,) = await store.reads.output.append([piece])
            end += outcome.stored
        read = 0
        while data := await store.reads.output.read(go.job_id, 1, "stdout", read, MIB):
            read += len(data)
        assert read == total
        print(peak_mib(), flush=True)
    await store.close()
    threads.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the peak of memory")
def test_memory_does_not_grow_with_the_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_AND_READ, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    at_10, at_60 = map(float, run.stdout.split())
    assert at_60 - at_10 < 10


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = open_sqlite(tmp_path, runtime_with(HandClock(), Inline()), queue_items=1000, disk_reserve_bytes=0)
    yield store
    await store.close()


class Steps:
    """Counts the steps of SQLite's machine on the connection that writes: work that does not depend on the machine."""

    def __init__(self, store: SqliteStore) -> None:
        self.taken = 0
        store._writer._db._db.set_progress_handler(self._step, 1)

    def _step(self) -> bool:
        self.taken += 1
        return False


async def claim_steps(store: SqliteStore, claim_id: str, klass: str = "") -> int:
    """What a claim of 8 costs; the jobs are put back."""
    steps = Steps(store)
    claimed = await store.jobs_write.claim(wanted(claim_id, limit=8, klasses=(klass,)))
    taken = steps.taken
    assert len(claimed) == 8
    again = [write(one, changed(one, status=Status.QUEUED), f"back-{claim_id}") for one in claimed]
    await store.jobs_write.apply(again)
    return taken


async def test_a_claim_costs_the_same_whatever_stands_in_the_queue(store: SqliteStore) -> None:
    await inserted(store, *(job(number, rank=1_000_000 + number) for number in range(100)))
    few = await claim_steps(store, "c1")
    await inserted(store, *(job(1000 + number, rank=number, klass="nobody's") for number in range(4000)))
    behind_others = await claim_steps(store, "c2")
    await inserted(store, *(job(10_000 + number, rank=2_000_000 + number) for number in range(4000)))
    before_many = await claim_steps(store, "c3")
    assert few > 100
    assert behind_others <= 1.2 * few
    assert before_many <= 1.2 * few
