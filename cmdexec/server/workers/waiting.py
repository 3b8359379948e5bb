"""Why jobs wait, worked out from what this server knows of its workers and those of others.

Worked out anew a few times a second at most for all jobs that need the same, since many may ask.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from cmdexec.clock import Clock, rfc3339
from cmdexec.model.job import Attempt, Job, Status
from cmdexec.model.matching import NOTHING, Lacks, Machine, Needs, distance, matches, misses, needs_of
from cmdexec.model.parts import Part, memory
from cmdexec.model.sentences import by_name, sentence
from cmdexec.model.waiting import DRAINED, UNREADY, Cause, Why, lacking
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.elsewhere import Abroad
from cmdexec.server.workers.member import Member
from cmdexec.store.contract.classes import Classes

Connected = Member | Abroad
"""A worker that is connected, to this server or another one."""

_GOOD_FOR_SEC = 0.2
_KEPT_MAX = 2000
_AT_ONCE = 5000
"""How many workers are looked at for a list before all others have their turn."""

_COUNTED_MAX = 100
"""How many that go first are counted."""

_WITHOUT_AWAY = frozenset({Cause.NO_WORKER, Cause.NO_MATCH, Cause.DECLINED})
"""Not so if a worker that is away might run it."""

_CLASSES_MAX = 200
"""Of how many classes at once it is looked up who goes first."""


class Waits:
    """Says why a job waits: call it with the job. What `look` found for a list before is good for a moment."""

    def __init__(self, desk: Desk, classes: Classes, clock: Clock, draining: Callable[[], bool]) -> None:
        self._desk = desk
        self._classes = classes
        self._clock = clock
        self._draining = draining
        self._whys: dict[tuple[Needs, tuple[str, ...]], Why] = {}
        self._fronts: dict[str, dict[str, int]] = {}
        self._until = -1.0

    async def look(self, jobs: Iterable[Job]) -> None:
        """Look up who is away, and who goes before these. Raises Unavailable."""
        held = tuple(jobs)
        queued = [job for job in held if job.status is Status.QUEUED]
        if queued or any(self._of_one_away(job) for job in held):
            await self._desk.offers.look()
        if not queued:
            return
        self._renew()
        klasses = [klass for klass in dict.fromkeys(job.klass for job in queued) if klass not in self._fronts]
        asked = klasses[:_CLASSES_MAX]
        if asked:
            fronts = await self._classes.fronts(asked, _COUNTED_MAX + 1)
            for klass, front in zip(asked, fronts, strict=True):
                self._fronts[klass] = {job_id: place for place, job_id in enumerate(front)}
        await self._ponder(queued)

    async def look_back(self, jobs: Iterable[Job]) -> None:
        """Work it out for these from what was looked up before. Nothing is read."""
        await self._ponder([job for job in jobs if job.status is Status.QUEUED])

    async def _ponder(self, queued: Sequence[Job]) -> None:
        """Without keeping others waiting."""
        self._renew()
        looked = 0
        for job in queued:
            known = len(self._whys)
            self._why(needs_of(job.spec), job.avoid)
            looked += len(self._desk.members) if len(self._whys) > known else 0
            if looked > _AT_ONCE:
                looked = 0
                await self._desk.let_others()
        now = self._clock.elapsed()
        if now >= self._until:  # this took long, and was for whoever waits for it
            self._until = now + _GOOD_FOR_SEC

    def __call__(self, job: Job) -> Why | None:
        """Why it does not run yet, or what its worker does before it can start it; None if it runs, or has ended, or if
        it was not looked yet who is away."""
        match job.status:
            case Status.QUEUED:
                return self._queued(job)
            case Status.ASSIGNED:
                return self._with_one(job)
            case Status.SCHEDULED:
                return self._scheduled(job)
            case Status.UNKNOWN:
                revoked = self._desk.offers.was_revoked(job.worker_id or "")
                return Why(Cause.REVOKED if revoked else Cause.UNKNOWN, workers=(self.called(job.worker_id or ""),))
            case Status.RUNNING:
                return self._beginning(job)
            case _:
                return None

    def _queued(self, job: Job) -> Why | None:
        self._renew()
        why = self._why(needs_of(job.spec), job.avoid)
        if why.cause in _WITHOUT_AWAY and not self._desk.offers.known:
            return None
        front = self._fronts.get(job.klass)
        if front is None or why.cause not in (Cause.BUSY, Cause.ROOM):
            return why
        before = front.get(job.job_id)
        if before is None and len(front) <= _COUNTED_MAX:
            return why  # it came after they were looked up
        more = before is None or before > _COUNTED_MAX
        return msgspec.structs.replace(why, before=_COUNTED_MAX if more else before, more=more)

    def _why(self, needs: Needs, avoid: tuple[str, ...]) -> Why:
        why = self._whys.get((needs, avoid))
        if why is None:
            if len(self._whys) >= _KEPT_MAX:
                self._whys.clear()
            why = self._whys[needs, avoid] = self._look(needs, avoid)
        return why

    def _renew(self) -> None:
        now = self._clock.elapsed()
        if now >= self._until:
            self._whys.clear()
            self._fronts.clear()
            self._until = now + _GOOD_FOR_SEC

    def _with_one(self, job: Job) -> Why:
        member = self._desk.members.get(job.worker_id or "")
        if self._desk.elsewhere.of(job.worker_id or "") is not None:
            return Why(Cause.NEXT, workers=(self.called(job.worker_id or ""),))
        silent = 0.0 if member is None else self._desk.now() - member.heard_at
        if member is None or silent > self._desk.lease.lease_sec / 2:
            return Why(Cause.KEPT, workers=(self.called(job.worker_id or ""),), seconds=silent)
        crowded = member.crowded.get(job.job_id) if member.has(job.job_id, job.attempt) else None
        return Why(Cause.NEXT, workers=(self.called(job.worker_id or ""),), detail=crowded or "")

    def _beginning(self, job: Job) -> Why | None:
        """Its start was granted; its image may still have to come."""
        member = self._desk.members.get(job.worker_id or "")
        phase = None if member is None else member.phase(job.job_id, job.attempt)
        return None if phase is None else Why(Cause.PHASE, detail=phase)

    def _of_one_away(self, job: Job) -> bool:
        """Whether it waits for a worker that may be known by the store alone."""
        held = job.status is Status.UNKNOWN or job.status is Status.ASSIGNED
        return held and job.worker_id not in self._desk.members

    def called(self, worker_id: str) -> str:
        """What people call that worker, as far as it was looked up."""
        return self._desk.offers.called(worker_id)

    def _scheduled(self, job: Job) -> Why:
        due = job.due_at
        if not job.runs or due is None:
            return Why(Cause.TIME, detail="" if due is None else rfc3339(due) or "")
        last = job.attempts[-1]
        return Why(
            Cause.RETRY, seconds=max(0.0, (due - self._clock.now()) / 1000), run=job.runs + 1,
            runs=job.spec.max_retries + 1 if job.retries_used == job.runs else 0,
            detail=self._why_it_ended(job, last),
        )  # fmt: skip

    def _why_it_ended(self, job: Job, run: Attempt) -> str:
        said = "" if run.end is None else sentence(job, run.end, run.result)
        return by_name(said, (job.worker_id,), self.called) or ""

    def _look(self, needs: Needs, avoid: tuple[str, ...]) -> Why:
        if self._draining():
            return Why(Cause.STOPPING)
        here = [member for member in self._desk.members.values() if member.register.executors]
        members: list[Connected] = [*here, *self._desk.offers.elsewhere()]
        matching = [member for member in members if matches(needs, member.machine)]
        might = len(members if needs == NOTHING else matching)  # it names nothing that would tell them from others
        willing = [member for member in matching if member.holder.avoided_as not in avoid]
        taking = [member for member in willing if member.takes]
        if taking:
            return self._state_of(needs, taking, might)
        if willing:
            return Why(Cause.DRAINING, needs, _names(willing), some=len(willing) < might)
        away = [
            offer
            for offer in self._desk.offers.away()
            if matches(needs, offer.machine) and offer.known_as not in avoid
        ]  # fmt: skip
        if not members and not away:
            return Why(Cause.NO_WORKER, needs)
        if away:
            ready = [offer for offer in away if not offer.drains]
            names = tuple(sorted(offer.called for offer in ready or away))
            return Why(Cause.AWAY, needs, names, detail="" if ready else DRAINED)
        if matching:
            return Why(Cause.DECLINED, needs, _names(matching))
        return _nearest(needs, [(member.called, member.machine) for member in members])

    def _state_of(self, needs: Needs, members: Sequence[Connected], matching: int) -> Why:
        """Of those that might run it, among so many that match."""
        now, patience = self._desk.now(), self._desk.lease.lease_sec / 2
        heard = [member for member in members if member.heard_at >= now - patience]
        if not heard:
            silent = min(now - member.heard_at for member in members)
            return Why(Cause.SILENT, needs, _names(members), seconds=silent, some=len(members) < matching)
        trusted = [member for member in heard if not member.suspect]
        if not trusted:
            return Why(Cause.SUSPECT, needs, _names(heard), some=len(heard) < matching)
        heard = trusted
        some = len(heard) < matching
        roomy = [member for member in heard if member.free_slots]
        part = needs.part
        if part is not None and roomy and not any(member.has_free(part) for member in roomy):
            return Why(Cause.ROOM, needs, _names(heard), detail=_freest(part, roomy), some=some)
        if not roomy:
            return Why(Cause.BUSY, needs, _names(heard), some=some)
        able = [member for member in roomy if member.able(now, patience)]
        if not able:
            detail = "" if any(member.ready for member in roomy) else UNREADY
            return Why(Cause.STALLED, needs, _names(roomy), detail=detail, some=len(roomy) < matching)
        return Why(Cause.SOON if any(member.open_slots for member in able) else Cause.ASKS, needs)


def _names(members: Sequence[Connected]) -> tuple[str, ...]:
    return tuple(sorted(member.called for member in members))


def _nearest(needs: Needs, machines: Sequence[tuple[str, Machine]]) -> Why:
    found = [(misses(needs, machine), called) for called, machine in machines]
    least, nearest = min(found, key=lambda one: (*distance(one[0]), one[1]))
    lacked = lacking(needs, least)
    some = any(matches(lacked, machine) for _, machine in machines)
    if all(miss.what is Lacks.EXECUTOR for miss in least):
        alike = tuple(sorted(called for missing, called in found if missing == least))
        return Why(Cause.NO_MATCH, needs, alike, least)
    return Why(Cause.NO_MATCH, needs, (nearest,), least, some=some)


def _freest(part: Part, members: Sequence[Connected]) -> str:
    """`1 of 4 cores are free on build-07`"""
    best = max(members, key=lambda member: (member.free.cpu if part.cpu else 0, member.free.ram_mb))
    free, words = best.free, []
    if not Part(part.cpu, 0).within(free):
        words.append(f"{max(0.0, round(free.cpu, 3)):g} of {best.capacity.cpu:g} cores")
    if part.ram_mb > free.ram_mb:
        words.append(f"{memory(max(0.0, free.ram_mb))} of {memory(best.capacity.ram_mb)} of memory")
    return f"{' and '.join(words)} are free on {best.called}"
