"""Running again what was asked for before: as a new job, or the same one whose fate is not known."""

from collections.abc import Awaitable, Callable

from cmdexec.errors import Conflict, Refused, Unavailable
from cmdexec.model.decision import Refusal
from cmdexec.model.job import WAITING, Job, Status
from cmdexec.protocol.listing import RequeueJob, RerunJob
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.api.jobs import key_of, owner_of
from cmdexec.server.jobs import Jobs, requeue
from cmdexec.store.contract.reads import JobReads


class AgainApi:
    """`jobs.rerun` and `jobs.requeue`. `view`: a job as it is answered."""

    def __init__(self, jobs: Jobs, reads: JobReads, *, view: Callable[[Job], Awaitable[object]]) -> None:
        self._jobs = jobs
        self._reads = reads
        self._view = view

    def handlers(self) -> Handlers:
        return {"jobs.rerun": self.rerun, "jobs.requeue": self.requeue}

    async def rerun(self, call: Call) -> Reply:
        """A new job of the same spec, however the old one stands. Which job it was counts for its key, as a body does
        for others."""
        asked: RerunJob = call.request
        (old,) = await self._reads.get([asked.job_id])
        if old is None:
            raise _not_found(asked.job_id)
        try:
            (job,) = await self._jobs.submit(
                owner_of(call), [old.spec], key=key_of(call), body=f"rerun {old.job_id}".encode(), by=call.who.email,
                rerun_of=old.job_id,
            )  # fmt: skip
        except Refused as wrong:
            if wrong.code != "key_reused":
                raise
            raise Refused(
                wrong.code,
                "This Idempotency-Key was used before, for another job.",
                field=wrong.field,
                mend="Use a new key for the rerun of each job, and the same one only to send that again.",
            ) from None
        return Reply(await self._view(job))

    async def requeue(self, call: Call) -> Reply:
        asked: RequeueJob = call.request
        by = call.who.email or owner_of(call)
        (outcome,) = await self._jobs.turn([requeue(asked.job_id, by, accept_duplicate=asked.accept_duplicate)])
        if outcome.overloaded:
            raise Unavailable("overloaded", "The job is changed by others again and again; try again.")
        if outcome.job is None:
            raise _not_found(asked.job_id)
        refusal = outcome.refusal
        if refusal is not None:
            raise Conflict(
                refusal.code, refusal.message, expected=refusal.expected, mend=_mend(refusal, outcome.job.status)
            )
        return Reply(await self._view(outcome.job))


def _mend(refusal: Refusal, status: Status) -> str:
    if "acceptDuplicate" in refusal.expected:
        return "Send `acceptDuplicate: true` if that does no harm."
    if status in WAITING:
        return "It waits to be run as it is: nothing has to be done. To have it run twice, rerun it."
    return "Only a job whose fate is `unknown` can be requeued."


def _not_found(job_id: str) -> Refused:
    return Refused("not_found", f"There is no job {job_id}.", field="jobId")
