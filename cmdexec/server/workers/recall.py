"""Taking back what one worker does not begin and another one could."""

from collections.abc import Iterable, Iterator, Sequence
from math import inf

from cmdexec.model.job import Job
from cmdexec.model.matching import NOTHING, Needs, matches, needs_of
from cmdexec.server import jobs
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.classes import Classes
from cmdexec.server.workers.given import Given
from cmdexec.server.workers.member import Member
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import JobReads

_LOOKED_AT = 100
"""Jobs that are looked at together, for those that somebody else may have."""


class Recalls:
    """Recalls jobs that have waited with their worker, RECALL_AFTER_SEC without a slot or STALL_AFTER_SEC with one.

    A worker that is far away has longer, since its question for the start is on its way: else a job would go to and fro
    between two of these, and be asked for too late by each.

    A worker that does not use its slots, because its disk is full, say, gets nothing for a heartbeat, or until it asks
    for a start: so nothing goes to and fro between two of that kind.

    A job that waits with its worker for its part of the machine is no sign of that. It is moved only to a worker where
    it could start now.
    """

    def __init__(self, reads: JobReads, jobs_: Jobs, settings: ServerSettings) -> None:
        self._reads = reads
        self._jobs = jobs_
        self._after_sec = settings.recall_after_sec
        self._stall_sec = settings.stall_after_sec
        self._pause_sec = settings.heartbeat_sec
        self._travel_max_sec = settings.lease_sec / 2
        self._looked_at = self._moved_at = -inf

    async def among(self, members: Iterable[Member], hungry: Sequence[Member], now: float) -> bool:
        """Take back what members do not begin, for the free slots of `hungry`. Returns whether something may be taken
        back later, once it has waited long enough."""
        need = sum(member.open_slots for member in hungry)
        look = now - self._looked_at >= self._after_sec
        if look:
            self._looked_at = now
        old: list[str] = []
        stalled: dict[str, tuple[Member, float]] = {}
        soon = False
        for member in sorted(members, key=lambda member: -member.surplus):
            if member.waiting <= len(member.crowded) or all(other is member for other in hungry):
                continue
            if not (look or member.surplus):
                soon = True  # its slots are looked at now and then
                continue
            crowded, stall_sec = member.crowded, self._stall_sec + self._travel_sec(member)
            waiting = [
                (job_id, one) for job_id, one in member.given() if one.started_at is None and job_id not in crowded
            ]
            fit = len(waiting) - member.surplus
            for place in reversed(range(len(waiting))):
                job_id, given = waiting[place]
                if now - given.given_at < (stall_sec if place < fit else self._after_sec):
                    soon = True
                    continue
                if given.needs != NOTHING and not any(one.fits(given.needs) for one in hungry if one is not member):
                    continue
                old.append(job_id)
                if place < fit:
                    stalled[job_id] = member, given.given_at
        if old:
            for job_id in await self._take_back(await self._that_go(old, need, hungry)):
                if job_id in stalled:
                    leaver, since = stalled[job_id]
                    leaver.paused_until = now + self._pause_sec
                    leaver.process.suspicion.leaves(since, now)
        return soon or len(old) > need

    def _travel_sec(self, member: Member) -> float:
        """How long a job and the question for its start may be on their way: twice what the worker's answers take."""
        told = member.stats.round_trip_sec if member.stats is not None else None
        return min(2 * (told or 0.0), self._travel_max_sec)

    async def behind(self, members: Iterable[Member], now: float, wall: int) -> None:
        """Take back what was given ahead to members whose jobs turned out to be long: in the queue it is overtaken by
        what is more urgent, expires, and is seen to wait. What waits for its part until it is too old to begin has
        expired."""
        old = [job_id for member in members for job_id in member.behind(now)]
        late = [job_id for job_id, begin_by in _timed(members) if begin_by <= wall]
        if old or late:
            await self._jobs.turn([*jobs.recall([*old, *late]), *jobs.expired(late)])

    def may_expire(self, members: Iterable[Member]) -> bool:
        """Whether something waits for its part that will be too old to begin some time."""
        return any(True for _ in _timed(members))

    async def overtaken(self, members: Iterable[Member], classes: Classes) -> None:
        """Take back what waits for its part with these, where one that goes before it waits for more than is free too:
        only one can wait with a worker, and that is the first."""
        old: list[str] = []
        for member in members:
            waiting = _crowded(member)
            first = classes.first(member) if waiting else None
            if first is not None and first.part is not None and not member.has_free(first.part):
                old += [job_id for job_id, given in waiting if given.rank > first.rank]
        if old:
            await self._jobs.turn(jobs.recall(old))

    def moves(
        self, members: Iterable[Member], hungry: Sequence[Member], now: float
    ) -> tuple[list[tuple[str, Member]], bool]:
        """Jobs that wait for their part with one worker, each with another one where they could start now, one for
        each of those; and whether to look again soon."""
        targets = [member for member in hungry if not member.crowded]
        waiting = [member for member in members if member.crowded]
        if not targets or not waiting:
            return [], False
        if now - self._moved_at < self._after_sec:
            return [], True
        self._moved_at = now
        moves: list[tuple[str, Member]] = []
        nowhere: set[Needs] = set()
        soon = False
        for job_id, given in [one for member in waiting for one in _crowded(member)]:
            if now - given.given_at < self._after_sec:
                soon = True
                continue
            if given.needs in nowhere:
                continue
            target = next((one for one in targets if one.fits(given.needs)), None)
            if target is None:
                nowhere.add(given.needs)
                continue
            moves.append((job_id, target))
            targets.remove(target)
        return moves, soon

    async def move(self, job_id: str, target: Member) -> Job | None:
        """Take it back for `target`, if it has not begun and was not declined there; the job, if that was done."""
        found = await self._that_go([job_id], 1, [target])
        return found[0] if await self._take_back(found) else None

    async def elsewhere(self, members: Iterable[Member], hungry: Sequence[Member], wall: int) -> None:
        """Take back what waits with workers that are not connected here: they may be gone, or another server's."""
        need = sum(member.open_slots for member in hungry)
        here = {member.worker_id for member in members}
        before = wall - int(self._after_sec * 1000)
        found = await self._reads.assigned_elsewhere(hungry[0].worker_id, before, need + len(here) + _LOOKED_AT)
        old = [job for job in found if job.worker_id not in here and any(_could(member, job) for member in hungry)]
        await self._take_back(old[:need])

    async def _that_go(self, job_ids: Sequence[str], most: int, hungry: Sequence[Member]) -> list[Job]:
        """The first `most` of these that one of `hungry` could take."""
        go: list[Job] = []
        each = max(most, _LOOKED_AT)
        for start in range(0, len(job_ids), each):
            found = await self._reads.get(job_ids[start : start + each])
            go += [job for job in found if job is not None and any(_could(member, job) for member in hungry)]
            if len(go) >= most:
                break
        return go[:most]

    async def _take_back(self, found: Sequence[Job]) -> list[str]:
        """Recall them; returns which could be recalled."""
        wanted = [job.job_id for job in found]
        if not wanted:
            return []
        outcomes = await self._jobs.turn(jobs.recall(wanted))
        return [job_id for job_id, outcome in zip(wanted, outcomes, strict=True) if outcome.refusal is None]


def _crowded(member: Member) -> list[tuple[str, Given]]:
    """What waits with it until its part is free."""
    crowded = member.crowded
    return [one for one in member.given() if one[0] in crowded] if crowded else []


def _timed(members: Iterable[Member]) -> Iterator[tuple[str, int]]:
    """Of that, what will be too old to begin some time, and when."""
    return (
        (job_id, given.begin_by)
        for member in members
        for job_id, given in _crowded(member)
        if given.begin_by is not None
    )


def _could(member: Member, job: Job) -> bool:
    """Whether it might run it, sooner or later."""
    return (
        member.holder.avoided_as not in job.avoid
        and member.worker_id != job.worker_id
        and matches(needs_of(job.spec), member.machine)
    )
