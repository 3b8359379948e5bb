"""Taking back what one worker does not begin and another one could."""

from collections.abc import Iterable, Sequence

from cmdexec.model.job import Job
from cmdexec.server import jobs
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.member import Member
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import JobReads


class Recalls:
    """Recalls jobs that have waited with their worker, RECALL_AFTER_SEC without a slot or STALL_AFTER_SEC with one.

    A worker that does not use its slots, because its disk is full, say, gets nothing for a heartbeat, or until it asks
    for a start: so nothing goes to and fro between two of that kind.
    """

    def __init__(self, reads: JobReads, jobs_: Jobs, settings: ServerSettings) -> None:
        self._reads = reads
        self._jobs = jobs_
        self._after_sec = settings.recall_after_sec
        self._stall_sec = settings.stall_after_sec
        self._pause_sec = settings.heartbeat_sec
        self._looked_at = float("-inf")

    async def among(self, members: Iterable[Member], hungry: Sequence[Member], now: float) -> bool:
        """Take back what members do not begin, for the free slots of `hungry`. Returns whether something may be taken
        back later, once it has waited long enough."""
        need = sum(member.open_slots for member in hungry)
        look = now - self._looked_at >= self._after_sec
        if look:
            self._looked_at = now
        old: list[str] = []
        stalled: dict[str, Member] = {}
        soon = False
        for member in sorted(members, key=lambda member: -member.surplus):
            if not member.waiting or all(other is member for other in hungry):
                continue
            if not (look or member.surplus):
                soon = True  # its slots are looked at now and then
                continue
            waiting = [(job_id, given) for job_id, given in member.given() if given.started_at is None]
            fit = len(waiting) - member.surplus
            for place in reversed(range(len(waiting))):
                job_id, given = waiting[place]
                if now - given.given_at < (self._stall_sec if place < fit else self._after_sec):
                    soon = True
                    continue
                old.append(job_id)
                if place < fit:
                    stalled[job_id] = member
        if old:
            for job_id in await self._take_back(await self._reads.get(old[:need]), hungry):
                if job_id in stalled:
                    stalled[job_id].paused_until = now + self._pause_sec
        return soon or len(old) > need

    async def elsewhere(
        self, members: Iterable[Member], hungry: Sequence[Member], klasses: Sequence[str], wall: int
    ) -> None:  # fmt: skip
        """Take back what waits with workers that are not connected here: they may be gone, or another server's."""
        need = sum(member.open_slots for member in hungry)
        here = {member.worker_id for member in members}
        found = await self._reads.assigned_elsewhere(klasses, hungry[0].worker_id, need + len(here))
        before = wall - int(self._after_sec * 1000)
        old = [job for job in found if job.worker_id not in here and (job.assigned_at or 0) <= before]
        await self._take_back(old[:need], hungry)

    async def _take_back(self, found: Sequence[Job | None], hungry: Sequence[Member]) -> list[str]:
        """Recall those that one of `hungry` could take; returns which could be recalled."""
        wanted = [job.job_id for job in found if job is not None and any(_could(member, job) for member in hungry)]
        if not wanted:
            return []
        outcomes = await self._jobs.turn(jobs.recall(wanted))
        return [job_id for job_id, outcome in zip(wanted, outcomes, strict=True) if outcome.refusal is None]


def _could(member: Member, job: Job) -> bool:
    return member.worker_id not in job.avoid and member.worker_id != job.worker_id
