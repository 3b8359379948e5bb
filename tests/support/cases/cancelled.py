"""Cancels that come when their jobs are about to end, or have just ended."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.cases.load import cancel_surely
from tests.support.cases.world import World, must_be, whole
from tests.support.payload import slow_job
from tests.support.waiting import until

JOBS = 40
WITHIN_SEC = 0.05
"""How long before and after its end the cancel of a job comes."""


def cancel_against_finish(world: World) -> None:
    """Each job ends once, and as its cancel was answered."""
    rng = world.rng
    lengths = [rng.uniform(0.08, 0.3) for _ in range(JOBS)]
    offsets = [rng.uniform(-WITHIN_SEC, WITHIN_SEC) for _ in range(JOBS)]
    worker = world.worker("one", slots=6)
    jobs = [slow_job(world.ledger, 1, round(length, 3), exit_code=0) for length in lengths]
    ids = world.api("submitter").create_surely(jobs)
    after = {job: max(0.0, length + offset) for job, length, offset in zip(ids, lengths, offsets, strict=True)}
    asked: set[str] = set()
    over = threading.Event()

    def cancel(job_id: str) -> None:
        over.wait(after[job_id])
        cancel_surely(world, [job_id])

    def all_asked() -> bool:
        for job_id in {entry.job_id for entry in world.ledger.entries()} - asked:
            asked.add(job_id)
            threads.submit(cancel, job_id).add_done_callback(lambda done: failures.append(done.exception()))
        return len(asked) == JOBS

    failures: list[BaseException | None] = []
    with ThreadPoolExecutor(12) as threads:
        world.fault(f"{JOBS} cancels")
        until(all_asked, "each has begun", within=40)
    assert not [failure for failure in failures if failure], failures
    stored = world.settle()
    must_be(stored, lambda job: len(job.ran) == 1, "each ran once")
    must_be(stored, whole, "all output of what ended by itself is there")
    assert worker.running()
