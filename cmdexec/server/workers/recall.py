"""Taking back what one worker cannot begin yet and another one could."""

from collections.abc import Iterable, Sequence

from cmdexec.model.job import Job
from cmdexec.server import jobs
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.member import Member
from cmdexec.store.contract.reads import JobReads


class Recalls:
    """Recalls jobs that have waited with their worker for `after_sec` without a slot."""

    def __init__(self, reads: JobReads, jobs_: Jobs, after_sec: float) -> None:
        self._reads = reads
        self._jobs = jobs_
        self._after_sec = after_sec

    async def among(self, members: Iterable[Member], hungry: Sequence[Member], now: float) -> bool:
        """Take back what members hold beyond their slots, for the free slots of `hungry`. Returns whether something may
        be taken back later, once it has waited long enough."""
        need = sum(member.free_slots for member in hungry)
        old: list[str] = []
        soon = False
        for member in sorted(members, key=lambda member: -member.surplus):
            surplus = member.surplus
            if not surplus:
                break
            waiting = [(job_id, given) for job_id, given in member.given() if given.started_at is None]
            for job_id, given in reversed(waiting[-surplus:]):
                if now - given.given_at >= self._after_sec:
                    old.append(job_id)
                else:
                    soon = True
        if old:
            await self._take_back(await self._reads.get(old[:need]), hungry)
        return soon or len(old) > need

    async def elsewhere(
        self, members: Iterable[Member], hungry: Sequence[Member], klasses: Sequence[str], wall: int
    ) -> None:  # fmt: skip
        """Take back what waits with workers that are not connected here: they may be gone, or another server's."""
        need = sum(member.free_slots for member in hungry)
        here = {member.worker_id for member in members}
        found = await self._reads.assigned_elsewhere(klasses, hungry[0].worker_id, need + len(here))
        before = wall - int(self._after_sec * 1000)
        old = [job for job in found if job.worker_id not in here and (job.assigned_at or 0) <= before]
        await self._take_back(old[:need], hungry)

    async def _take_back(self, found: Sequence[Job | None], hungry: Sequence[Member]) -> None:
        wanted = [
            job.job_id
            for job in found
            if job is not None and any(member.worker_id not in job.avoid for member in hungry)
        ]
        if wanted:
            await self._jobs.turn(jobs.recall(wanted))
