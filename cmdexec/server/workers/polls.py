"""Giving jobs to workers that ask for them, call by call."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.protocol.messages import AskJobs, Assignment, Held, Released
from cmdexec.server.workers.assignment import assignment
from cmdexec.server.workers.carry import carry_out
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.mailbox import Answer, Key, Poll
from cmdexec.server.workers.polling import PollingMember
from cmdexec.server.workers.turn import Reply, Turn

_LOOK_SEC = 1.0
"""How long one that does not want to wait waits all the same, if need be: until it is known what there is."""

_PASSED_SEC = 1.0
"""How long a poll takes at least that another one ends: two processes that share an id would do nothing else."""

Gone = Callable[[], Coroutine[Any, Any, None]]
"""Returns when whoever asked is gone."""


class Given(msgspec.Struct, frozen=True):
    """The answer to a poll: jobs, and the attempts to stop and to cancel."""

    jobs: Sequence[Assignment]
    stop: Sequence[Key] = ()
    cancel: Sequence[Key] = ()


class Polls:
    """Of all workers that poll.

    A poll is open for half a lease at most, whatever it asks for: an open one is no sign of life. Nothing is held for
    it meanwhile but its connection.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ask(self, member: PollingMember, asked: AskJobs, gone: Gone, *, alone: bool = False) -> Given | None:
        """Jobs and orders, as soon as there are any; None if there are none in time. `alone`: whoever asks is known to
        be the only process of its worker.

        Raises Unavailable(`draining`) when the server stops: so that the worker waits before it asks again.
        """
        if self._desk.jobs.draining:
            raise Unavailable("draining", "This server is stopping.", retry_after=2.0)
        member.ready = True
        if asked.claim is not None:
            repeated = await self._once_more(member, asked.claim)
            if repeated is not None:
                return repeated
        poll = Poll(asked.claim, asked.max, brief=asked.wait == 0)
        answer: Given | CmdexecError | None
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(gone(), name="who asks for jobs")
                try:
                    began = self._desk.now()
                    await self._wait(member, poll, asked.wait, watch)
                    if poll.passed and not (alone or poll.brief):
                        await asyncio.wait((watch,), timeout=max(0.0, began + _PASSED_SEC - self._desk.now()))
                    answer = await self._answer(member, poll, watch)
                except CmdexecError as away:
                    answer = away
                watch.cancel()
        finally:
            member.mailbox.leave(poll)
        if isinstance(answer, CmdexecError):
            raise answer
        return answer

    async def _wait(self, member: PollingMember, poll: Poll, wait: float, watch: "asyncio.Task[None]") -> None:
        """Until there is something for it, or it is over for another reason."""
        desk = self._desk
        member.dry_since = 0  # this claim was not made yet
        member.mailbox.open(poll)
        if poll.brief and not (member.open_slots and member.able(desk.now(), desk.lease.lease_sec / 2)):
            return
        desk.capacity.set()
        async with asyncio.TaskGroup() as tasks:
            over = tasks.create_task(poll.over.wait(), name="something for a poll")
            most = min(wait or _LOOK_SEC, desk.lease.lease_sec / 2)
            await asyncio.wait((over, watch), timeout=most, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()

    async def _answer(self, member: PollingMember, poll: Poll, watch: "asyncio.Task[None]") -> Given | None:
        mailbox = member.mailbox
        if watch.done() or mailbox.poll is not poll:
            return None
        if poll.why is not None:
            raise poll.why
        taken = mailbox.take(poll.most)
        if not poll.takes_orders:
            granted = await self._granted(member, taken, watch)
            return Given(granted) if granted else None
        stop, cancel = mailbox.take_orders()
        if not (taken or stop or cancel):
            return None
        return self._given(member, poll.claim, taken, stop, cancel)

    def _given(
        self, member: PollingMember, claim: str | None, jobs: Sequence[Assignment], stop: Sequence[Key],
        cancel: Sequence[Key],
    ) -> Given:  # fmt: skip
        member.sent(jobs, self._desk.now())
        if claim is not None:
            keys = [(job.job_id, job.attempt) for job in jobs]
            member.mailbox.answered(claim, Answer(keys, stop, cancel))
        return Given(jobs, stop, cancel)

    async def _once_more(self, member: PollingMember, claim: str) -> Given | None:
        """What was given for this claim before, by this server or the one before it, as far as it has not begun; and
        what was ordered."""
        before = member.mailbox.answer(claim)
        stop: Sequence[Key] = ()
        cancel: Sequence[Key] = ()
        if before is not None:
            stop, cancel = before.orders_again()
            found = [job for job in await self._desk.look([job_id for job_id, _ in before.jobs]) if job is not None]
            mine = [job for job in found if (job.job_id, job.attempt) in before.jobs]
        elif member.fresh:
            name = member.claim_id(claim)
            mine = [job async for job in self._desk.holdings.of(member.worker_id) if job.claim_id == name]
            member.fresh = False
        else:
            return None
        jobs = [assignment(job) for job in mine if _waits_with(member, job)]
        if not (jobs or stop or cancel):
            return None
        if before is None:
            return self._given(member, claim, jobs, stop, cancel)
        member.sent(jobs, self._desk.now())
        return Given(jobs, stop, cancel)

    async def _granted(
        self, member: PollingMember, jobs: Sequence[Assignment], watch: "asyncio.Task[None]"
    ) -> list[Assignment]:
        """Those of them that may be started at once, and are started by that. If nobody is there to hear it, they are
        given back: they were never made."""
        if not jobs:
            return []
        desk = self._desk
        held = [Held(job_id=job.job_id, attempt=job.attempt) for job in jobs]
        turn, reply = Turn(member, desk.offers), Reply(None, len(jobs))
        member.sent(jobs, desk.now())
        member.wants_start(held)
        turn.start(held, reply)
        away = await carry_out(desk, member, turn)
        tells = [told.tell for told in reply.items]
        member.mailbox.put_back([job for job, tell in zip(jobs, tells, strict=True) if tell == "again"])
        granted = [job for job, tell in zip(jobs, tells, strict=True) if tell == "go"]
        if watch.done() or not member.takes:
            await self._give_back(member, granted)
            return []
        if away is not None and not granted:
            raise away
        return granted

    async def _give_back(self, member: PollingMember, jobs: Sequence[Assignment]) -> None:
        items = [Released(job_id=job.job_id, attempt=job.attempt, why="startedAhead") for job in jobs]
        turn, reply = Turn(member, self._desk.offers), Reply(None, len(items))
        turn.released(items, reply)
        await carry_out(self._desk, member, turn)


def _waits_with(member: PollingMember, job: Job) -> bool:
    return (
        job.status is Status.ASSIGNED
        and job.worker_id == member.worker_id
        and job.session == member.holder.session
        and member.has(job.job_id, job.attempt)
        and not member.mailbox.has(job.job_id, job.attempt)
    )
