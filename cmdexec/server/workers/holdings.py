"""What the store says that a worker holds, and the end of what it can hold no more."""

from collections.abc import AsyncIterator, Sequence

from cmdexec.model.ends import wants_requeue
from cmdexec.model.job import Job, Status
from cmdexec.server import jobs as work
from cmdexec.server.jobs import Holder, Jobs
from cmdexec.server.workers.turn import ASKS_AT_ONCE
from cmdexec.store.contract.reads import JobReads

_PAGE = 1000


class Holdings:
    """Every method raises Unavailable if the store is away."""

    def __init__(self, reads: JobReads, jobs: Jobs) -> None:
        self._reads = reads
        self._jobs = jobs

    async def of(self, worker_id: str) -> AsyncIterator[Job]:
        """The jobs that are assigned to a worker, run on it or are unknown."""
        after = ""
        while page := await self._reads.held_by(worker_id, after, _PAGE):
            for job in page:
                yield job
            after = page[-1].job_id

    async def bury(self, held: Sequence[Job], session: str) -> None:
        """What other spools than that of `session` held is dead."""
        asks = [
            work.dead(Holder(job.worker_id or "", job.session or ""), job.job_id, job.attempt, "its spool was lost")
            for job in held
            if job.session != session
        ]
        if asks:
            await self._jobs.turn(asks)

    async def end(self, worker_id: str) -> None:
        """As if the worker's lease were over; but what would be run again stays until it is: the worker may not hear
        that it was shut out, and ends such jobs by its lease (promise 2)."""
        held = [job async for job in self.of(worker_id) if not _run_again(job)]
        asks = [one for job in held for one in work.lease_over((job.job_id,), job.session or "")]
        for start in range(0, len(asks), ASKS_AT_ONCE):
            await self._jobs.turn(asks[start : start + ASKS_AT_ONCE])


def _run_again(job: Job) -> bool:
    """Whether it runs, and another worker would get it."""
    return job.status is Status.RUNNING and wants_requeue(job) and not job.cancel_requested
