"""What lists of a worker without a socket say: those that come late, and those that lack what nobody named."""

import asyncio

import pytest

from cmdexec.model.job import Status
from cmdexec.protocol.messages import AskJobs, Heartbeat, Held, Register
from cmdexec.server.jobs import lease_over
from cmdexec.server.workers import PollingMember
from tests.unit.server.core import Core, eventually


class Lists:
    """A worker that polls, and how its job stands. The lease is 60 s, the time between heartbeats 10 s."""

    def __init__(self, server: Core, member: PollingMember) -> None:
        self.server, self.member = server, member
        self.job_id = ""

    async def run_one(self) -> None:
        """It gets a job that runs at once."""
        (job,) = await self.server.submit()
        self.job_id = job.job_id
        polls, asked = self.server.presence.polls, AskJobs(wait=5)
        answer = asyncio.create_task(polls.ask(self.member, asked, asyncio.Event().wait))
        await eventually(lambda: self.member.mailbox.poll, "it does not wait")
        await self.server.dispatch.give_out()
        assert await answer is not None

    async def say(self, *, named: bool, seq: int | None = None, after: float = 0.0) -> None:
        self.server.clock.go_on(after)
        held = (Held(job_id=self.job_id, attempt=1),) if named else ()
        member = await self.server.presence.said.heard("w1")
        await self.server.presence.said.heartbeat(member, Heartbeat(jobs=held, seq=seq))

    async def status(self) -> Status:
        return (await self.server.job(self.job_id)).status


@pytest.fixture
async def lists(server: Core) -> Lists:
    lease = server.presence.desk.lease
    assert (lease.lease_sec, lease.heartbeat_sec) == (60, 10)
    await server.presence.said.register("w1", Register(session="s1", instance_id="i1", slots=1))
    member = await server.presence.said.heard("w1")
    assert isinstance(member, PollingMember)
    return Lists(server, member)


async def test_lists_that_a_newer_one_overtook_say_nothing(lists: Lists) -> None:
    await lists.say(named=False, seq=1)
    await lists.run_one()
    await lists.say(named=True, seq=4)
    for seq in (2, 3, 4):
        await lists.say(named=False, seq=seq, after=8)
    assert await lists.status() is Status.RUNNING
    assert (await lists.server.job(lists.job_id)).missing == 0
    for seq in (5, 6):
        await lists.say(named=False, seq=seq, after=2)
    assert await lists.status() is Status.FAILED, "what newer ones lack is gone"


async def test_what_is_named_now_and_then_is_not_missing_from_lists_that_come_between(lists: Lists) -> None:
    """They may have been made before it was given, and say no number."""
    await lists.run_one()
    await lists.say(named=True, after=4)
    for _ in range(4):
        await lists.say(named=False, after=3)
        await lists.say(named=False, after=3)
        await lists.say(named=True, after=3)
    assert await lists.status() is Status.RUNNING


async def test_what_was_given_running_and_never_named_is_believed_to_be_gone_after_half_a_lease(lists: Lists) -> None:
    await lists.run_one()
    for _ in range(2):
        await lists.say(named=False, after=14)
    job = await lists.server.job(lists.job_id)
    assert (job.status, job.missing) == (Status.RUNNING, 0)
    for _ in range(2):
        await lists.say(named=False, after=2)
    assert await lists.status() is Status.FAILED


async def test_a_late_list_does_not_end_a_drain(lists: Lists) -> None:
    said = lists.server.presence.said
    await said.heartbeat(lists.member, Heartbeat(jobs=(), seq=2, draining=True))
    await said.heartbeat(lists.member, Heartbeat(jobs=(), seq=1))
    assert lists.member.draining


async def test_an_unknown_attempt_takes_no_slot_until_it_is_named(lists: Lists) -> None:
    """The process that had it may have ended without a word: else its worker would get no job for days."""
    await lists.run_one()
    await lists.server.jobs.turn(lease_over([lists.job_id], "s1"))
    assert await lists.status() is Status.UNKNOWN
    await lists.server.presence.said.register("w1", Register(session="s1", instance_id="i2", slots=1))
    member = await lists.server.presence.said.heard("w1")
    assert (member.free_slots, member.has(lists.job_id, 1)) == (1, True)
    await lists.say(named=True)
    assert await lists.status() is Status.RUNNING
    assert member.free_slots == 0
    await lists.server.presence.said.heard("w1")
    member.take(lists.job_id, 1)
    assert member.free_slots == 1
