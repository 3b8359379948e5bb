"""Giving out what waits: each worker's free slots first, then what it may hold ahead of them.

Woken by hints; looks each DISPATCH_CHECK_SEC anyway. As long as one worker has a free slot for a job, no other one gets
it in advance; and a job that waits with a worker while another one could start it is taken back.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from cmdexec.errors import CmdexecError
from cmdexec.log import Trouble
from cmdexec.notify.contract import JobsComing, JobsWaiting, Notify
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.presence import Presence
from cmdexec.server.workers.recall import Recalls
from cmdexec.server.workers.shares import Share, Want, share
from cmdexec.server.workers.suspicion import Suspects
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads

KLASSES_MAX = 64
"""The most classes that one claim takes from. As a claim takes the best of all, none but those whose first jobs stand
first can have a share in it."""

_AT_ONCE = 64
"""Claims that are under way side by side: they share a commit."""

_CAME_MAX = 1000
"""Lists of new jobs that are remembered as coming. One that is refused is never told of again."""

_LOOKED_AT = 50
"""Workers for which it is looked what they may have before all others have their turn."""

_CLAIM_WEIGHT = 2 * 1024 * 1024
"""The most that is claimed at once, in characters of command and environment."""

_FOLLOWS_SEC = 0.003
"""A worker that asks for a start within such a time is waited for: its claim and its start share a commit. That costs
others less than a flush of most disks does."""


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
        self._jobs = jobs
        self._desk: Desk = presence.desk
        self._runtime = runtime
        self._most = settings.prefetch_max
        self._check_sec = settings.dispatch_check_sec
        self._recall_sec = settings.recall_after_sec
        self._silent_sec = settings.lease_sec / 2
        self._recalls = Recalls(reads.jobs, jobs, settings)
        self._suspects = Suspects(jobs, settings, runtime.log)
        self._classes = presence.classes
        self._came: dict[str, int] = {}
        self._trouble = Trouble(runtime.log, "no jobs could be given out")
        self._unclaimed = Trouble(runtime.log, "jobs could not be claimed")
        notify.listen(JobsComing, self._coming)
        notify.listen(JobsWaiting, self._waiting)

    async def run(self) -> None:
        """Give out jobs until cancelled."""
        looked = self._desk.now()
        soon = False
        with contextlib.suppress(CmdexecError):  # the next look will tell
            await self._desk.offers.look_if_wanted()
        while True:
            await self._woken(self._recall_sec if soon else self._check_sec)
            look = self._desk.now() - looked >= self._check_sec
            if look:
                looked = self._desk.now()
                self._classes.check()
                with contextlib.suppress(CmdexecError):
                    await self._desk.offers.look_if_wanted()
            try:
                soon = await self.give_out(look_elsewhere=look)
                self._trouble.over()
            except CmdexecError as away:
                self._trouble.tell(away.code, away.message)
                soon = True

    async def give_out(self, *, look_elsewhere: bool = False) -> bool:
        """Give out what there is; returns whether to look again soon, for jobs that may be taken back then."""
        if self._jobs.draining:
            return False
        members = tuple(self._desk.members.values())
        now = self._desk.now()
        if look_elsewhere:
            await self._suspects.look(members, now)
        await self._recalls.behind(members, now, self._runtime.clock.now())
        if any(member.crowded for member in members):
            await self._classes.look()
            await self._recalls.overtaken([one for one in members if one.able(now, self._silent_sec)], self._classes)
        again = await self._claims() | self._recalls.may_expire(self._desk.members.values())
        if not (look_elsewhere or any(member.waiting for member in members)):
            return again
        hungry = [member for member in self._able() if member.open_slots]
        if not hungry:
            return again
        members = tuple(self._desk.members.values())
        soon = await self._move(members, hungry)
        hungry = [member for member in hungry if member.open_slots]
        if not hungry:
            return again or soon
        soon |= await self._recalls.among(members, hungry, self._desk.now())
        if look_elsewhere:
            await self._recalls.elsewhere(members, hungry, self._runtime.clock.now())
        return soon or again

    async def _move(self, members: Sequence[Member], hungry: Sequence[Member]) -> bool:
        """Give what waits for its part with one worker to those where it could start now: each claims at once, before
        the one that had it could claim it again. Returns whether to look again soon."""
        moves, soon = self._recalls.moves(members, hungry, self._desk.now())
        for job_id, target in moves:
            moved = await self._recalls.move(job_id, target)
            if moved is None:
                continue
            await self._classes.look()
            wants = self._classes.named((moved.klass,))
            if wants and not await self._claim(Share(target, 1, wants)):
                soon = True
        return soon

    async def _claims(self) -> bool:
        """Claim for all who have room, until nothing is left that waits for any of them. Returns whether one failed."""
        classes = self._classes
        failed: set[str] = set()
        while True:
            await classes.look()
            announced, now = classes.announced, self._desk.now()
            wanting: list[Want] = []
            looked = 0
            for member in tuple(self._desk.members.values()):
                if member.dry_since == announced or not member.able(now, self._silent_sec):
                    continue
                room = member.room(now, self._most)
                if not (room or member.claiming) or member.worker_id in failed:
                    continue
                choices, ahead = classes.choices(member, KLASSES_MAX)
                looked += 1
                if looked % _LOOKED_AT == 0:
                    await self._desk.let_others()
                if choices or member.claiming:
                    wanting.append(Want(member, room, choices, ahead))
                else:
                    member.looked(announced)
            if not wanting:
                return bool(failed)
            shares = await share(classes, wanting)
            if not shares:
                for want in wanting:
                    want.member.looked(announced)
            for start in range(0, len(shares), _AT_ONCE):
                failed.update(await self._side_by_side(shares[start : start + _AT_ONCE]))

    async def _side_by_side(self, shares: Sequence[Share]) -> list[str]:
        """Claim these; the workers for which that could not be done. One alone needs no task, and so no turn of the
        loop: what is to be claimed is kept back for it."""
        if len(shares) == 1:
            return [] if await self._claim(shares[0]) else [shares[0].member.worker_id]
        async with asyncio.TaskGroup() as tasks:
            claims = [(one.member, tasks.create_task(self._claim(one))) for one in shares]
        return [member.worker_id for member, claim in claims if not claim.result()]

    async def _claim(self, share: Share) -> bool:
        """Claim its share for a worker; whether that could be done. A claim whose answer was lost is asked again before
        any other."""
        member, classes = share.member, self._classes
        claiming = member.claiming or share.claiming(member.next_claim() or self._runtime.ids.new())
        member.claiming = claiming
        announced = classes.announced
        try:
            jobs = await self._jobs.claim(
                member.holder, claim_id=claiming.claim_id, klasses=claiming.klasses, limit=claiming.limit,
                most=_CLAIM_WEIGHT, parts=claiming.parts, free=claiming.free, ahead=claiming.ahead,
                foreseen=partial(self._desk.assign, member, foreseen=True) if member.eager else None,
                follows_sec=_follows_sec(member),
            )  # fmt: skip
        except CmdexecError as away:
            self._unclaimed.tell(away.code, away.message, worker=member.worker_id)
            if member.gone:  # nobody asks again; it may be here already, and have been given what it does not know
                self._desk.doubt(member)
            return False
        self._unclaimed.over()
        member.claiming = None
        self._desk.assign(member, [job for job in jobs if member.gone or not member.has(job.job_id, job.attempt)])
        classes.claimed(claiming.klasses)
        if len(jobs) < claiming.limit and sum(job.spec.weight for job in jobs) < _CLAIM_WEIGHT:
            classes.drained(claiming.klasses, member, announced, all_of_it=not jobs)
        return True

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

    def _coming(self, hint: JobsComing) -> None:
        """A claim that is made now shares the commit of what is to be claimed. That is for one worker alone: what
        several are to have is counted before, and it cannot be counted yet."""
        if len(self._desk.members) == 1 and self._classes.need_no_reading(hint.klasses):
            if len(self._came) >= _CAME_MAX:
                self._came.clear()
            self._came[hint.list_id] = self._classes.reads
            self._news(hint.klasses)

    def _waiting(self, hint: JobsWaiting) -> None:
        """Of what was claimed from when it came, this is no news: unless the store was asked since, which may not have
        had it yet."""
        if not hint.list_id or self._came.pop(hint.list_id, None) != self._classes.reads:
            self._news(hint.klasses)

    def _news(self, klasses: Sequence[str]) -> None:
        """Of these classes; without any: something may have been missed."""
        if klasses:
            self._classes.news(klasses)
        else:
            self._classes.check()
        self._desk.capacity.set()


def _follows_sec(member: Member) -> float:
    """How long its asking for a start may be waited for."""
    asks_after = member.asks_after
    return 0.0 if asks_after is None or asks_after >= _FOLLOWS_SEC else _FOLLOWS_SEC
