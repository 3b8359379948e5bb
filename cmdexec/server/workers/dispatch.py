"""Giving out what waits: each worker's free slots first, then what it may hold ahead of them.

Woken by hints; looks each DISPATCH_CHECK_SEC anyway. As long as one worker has a free slot for a job, no other one gets
it in advance; and a job that waits with a worker while another one could start it is taken back.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import Enum

from cmdexec.errors import CmdexecError
from cmdexec.notify.contract import JobsWaiting, Notify
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.member import Claiming, Member
from cmdexec.server.workers.presence import Presence
from cmdexec.server.workers.recall import Recalls
from cmdexec.server.workers.split import split
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads

KLASSES = ("",)
"""The classes of jobs that every worker matches: those of jobs that require nothing, as all do by now."""

_AT_ONCE = 64
"""Claims that are under way side by side: they share a commit."""

_CLAIM_WEIGHT = 2 * 1024 * 1024
"""The most that is claimed at once, in characters of command and environment."""


class _Found(Enum):
    """What a claim found: all that waits for its worker, as many as it wanted, or it failed."""

    ALL = "all"
    SOME = "some"
    UNKNOWN = "unknown"


class Dispatch:
    """A Service."""

    def __init__(
        self,
        *,
        reads: Reads,
        jobs: Jobs,
        presence: Presence,
        notify: Notify,
        runtime: Runtime,
        settings: ServerSettings,
    ) -> None:
        self._reads = reads.jobs
        self._jobs = jobs
        self._desk: Desk = presence.desk
        self._runtime = runtime
        self._most = settings.prefetch_max
        self._check_sec = settings.dispatch_check_sec
        self._recall_sec = settings.recall_after_sec
        self._silent_sec = settings.lease_sec / 2
        self._recalls = Recalls(reads.jobs, jobs, settings)
        self._announced = 1
        notify.listen(JobsWaiting, self._waiting)

    async def run(self) -> None:
        """Give out jobs until cancelled."""
        looked = self._desk.now()
        soon = False
        while True:
            await self._woken(self._recall_sec if soon else self._check_sec)
            look = self._desk.now() - looked >= self._check_sec
            if look:
                looked = self._desk.now()
                self._announced += 1
            try:
                soon = await self.give_out(look_elsewhere=look)
            except CmdexecError as away:
                self._runtime.log.warning("no jobs could be given out", code=away.code, why=away.message)
                soon = True

    async def give_out(self, *, look_elsewhere: bool = False) -> bool:
        """Give out what there is; returns whether to look again soon, for jobs that may be taken back then."""
        if self._jobs.draining:
            return False
        failed = await self._claims()
        able = self._able()
        hungry = [member for member in able if member.open_slots]
        if not hungry:
            return failed
        members = tuple(self._desk.members.values())
        soon = await self._move(members, hungry)
        hungry = [member for member in hungry if member.open_slots]
        if not hungry:
            return failed or soon
        soon |= await self._recalls.among(members, hungry, self._desk.now())
        if look_elsewhere:
            await self._recalls.elsewhere(members, hungry, KLASSES, self._runtime.clock.now())
        return soon or failed

    async def _move(self, members: Sequence[Member], hungry: Sequence[Member]) -> bool:
        """Give what waits for its part with one worker to those where it could start now: each claims at once, before
        the one that had it could claim it again. Returns whether to look again soon."""
        moves, soon = self._recalls.moves(members, hungry, self._desk.now())
        for job_id, target in moves:
            if await self._recalls.move(job_id, target) and await self._claim(target, 1) is _Found.UNKNOWN:
                soon = True
        return soon

    async def _claims(self) -> bool:
        """Claim for all who have room, until nothing is left that waits for any of them. Returns whether one failed."""
        announced = self._announced
        failed: set[str] = set()
        while True:
            now = self._desk.now()
            asked = [one for one in self._able() if one.dry_since != announced and one.worker_id not in failed]
            rooms = [(member, member.room(now, self._most)) for member in asked]
            wanting = [(member, room) for member, room in rooms if room or member.claiming]
            if not wanting:
                return bool(failed)
            shares = await self._shares([member for member, _ in wanting], [room for _, room in wanting])
            if not shares:
                for member, _ in wanting:
                    member.looked(announced)
            for start in range(0, len(shares), _AT_ONCE):
                async with asyncio.TaskGroup() as tasks:
                    claims = [
                        (member, tasks.create_task(self._claim(member, share)))
                        for member, share in shares[start : start + _AT_ONCE]
                    ]
                for member, claim in claims:
                    found = claim.result()
                    if found is _Found.ALL:
                        member.looked(announced)
                    elif found is _Found.UNKNOWN:
                        failed.add(member.worker_id)

    async def _shares(self, members: Sequence[Member], rooms: Sequence[int]) -> list[tuple[Member, int]]:
        """Who shall claim how many. One alone takes what there is; several are counted for first."""
        if len(members) == 1:
            return [(members[0], rooms[0])]
        free = [min(member.open_slots, room) for member, room in zip(members, rooms, strict=True)]
        queued = await self._reads.queued(KLASSES, sum(rooms))
        now = split(queued, free)
        ahead = split(queued - sum(now), [room - slots for room, slots in zip(rooms, free, strict=True)])
        shares = [slots + more for slots, more in zip(now, ahead, strict=True)]
        return [
            (member, share)
            for member, share in zip(members, shares, strict=True)
            if share or member.claiming is not None
        ]

    async def _claim(self, member: Member, limit: int) -> _Found:
        """Claim up to `limit` for a worker. A claim whose answer was lost is asked again before any other."""
        claiming = member.claiming or Claiming(member.next_claim() or self._runtime.ids.new(), limit)
        member.claiming = claiming
        try:
            jobs = await self._jobs.claim(
                member.holder, claim_id=claiming.claim_id, klasses=KLASSES, limit=claiming.limit, most=_CLAIM_WEIGHT
            )
        except CmdexecError as away:
            self._runtime.log.warning("jobs could not be claimed", worker=member.worker_id, code=away.code)
            return _Found.UNKNOWN
        member.claiming = None
        self._desk.assign(member, jobs)
        cut = sum(job.spec.weight for job in jobs) >= _CLAIM_WEIGHT
        return _Found.SOME if cut or len(jobs) >= claiming.limit else _Found.ALL

    def _able(self) -> list[Member]:
        """The workers that may be given jobs, those with the most free slots first."""
        now = self._desk.now()
        able = [member for member in self._desk.members.values() if member.able(now, self._silent_sec)]
        if len(able) > 1:
            able.sort(key=lambda member: -member.open_slots)
        return able

    async def _woken(self, seconds: float) -> None:
        """Wait for a hint, but not longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._desk.capacity.wait()
        self._desk.capacity.clear()

    def _waiting(self, _hint: JobsWaiting) -> None:
        self._announced += 1
        self._desk.capacity.set()
