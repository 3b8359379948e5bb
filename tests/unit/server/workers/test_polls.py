"""Requests for jobs that end in the midst of it: nothing is lost, nothing is given twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.notify.contract import Revoked
from cmdexec.protocol.messages import AskJobs, Heartbeat, Register
from cmdexec.server.workers import PollingMember
from cmdexec.server.workers.polls import Given
from tests.unit.server.core import Core


class Asker:
    """A worker that polls; `gone` is set when it goes away."""

    def __init__(self, server: Core, member: PollingMember) -> None:
        self.server = server
        self.member = member
        self.gone = asyncio.Event()

    async def leaves(self) -> None:
        await self.gone.wait()

    async def ask(self, **asked: Any) -> Given | None:
        """Ask, while dispatch gives out."""
        return await self.besides(self.server.dispatch.give_out, **asked)

    async def besides(self, do: Callable[[], Awaitable[Any]], **asked: Any) -> Given | None:
        fields = {"wait": 5.0, "claim": None, "max": 1} | asked
        answer = asyncio.ensure_future(self.server.presence.polls.ask(self.member, AskJobs(**fields), self.leaves))
        while self.member.mailbox.poll is None and not answer.done():
            await asyncio.sleep(0)
        await do()
        return await asyncio.wait_for(answer, 10)


@pytest.fixture
async def asker(server: Core) -> Asker:
    await server.presence.said.register("w1", Register(session="s1", instance_id="i1", slots=2))
    member = await server.presence.said.heard("w1")
    assert isinstance(member, PollingMember)
    return Asker(server, member)


def ids(given: Given | None) -> list[str]:
    return [] if given is None else [job.job_id for job in given.jobs]


async def test_a_claim_that_comes_back_when_its_poll_is_over_goes_to_the_next(server: Core, asker: Asker) -> None:
    (job,) = await server.submit()
    claim = server.jobs.claim

    async def late(*args: Any, **more: Any) -> list[Job]:
        jobs = await claim(*args, **more)
        asker.gone.set()
        while asker.member.mailbox.poll is not None:
            await asyncio.sleep(0)
        return jobs

    server.jobs.claim = late  # type: ignore[method-assign]
    assert await asker.ask(claim="a") is None
    assert asker.member.mailbox.has(job.job_id, 1)
    server.jobs.claim = claim  # type: ignore[method-assign]
    asker.gone.clear()
    given = await asker.ask(claim="b")
    assert ids(given) == [job.job_id]
    assert ids(await asker.ask(claim="b")) == [job.job_id], "it is the jobs of the claim that was answered"
    assert (await server.job(job.job_id)).attempt == 1


async def test_a_job_that_comes_as_its_asker_leaves_goes_to_the_next(server: Core, asker: Asker) -> None:
    (job,) = await server.submit()
    (claimed,) = await server.claim(asker.member.holder)

    async def both() -> None:
        asker.gone.set()
        server.presence.desk.assign(asker.member, [claimed])

    assert await asker.besides(both, claim="a") is None
    assert asker.member.mailbox.has(job.job_id, 1)


async def test_a_claim_whose_outcome_is_not_known_is_made_once(server: Core, asker: Asker) -> None:
    jobs = await server.submit(2)
    claim = server.jobs.claim

    async def unknown(*args: Any, **more: Any) -> list[Job]:
        await claim(*args, **more)
        raise Unavailable("store_away", "The store is away.")

    server.jobs.claim = unknown  # type: ignore[method-assign]

    async def twice() -> None:
        await server.dispatch.give_out()
        server.jobs.claim = claim  # type: ignore[method-assign]
        await server.dispatch.give_out()

    assert ids(await asker.besides(twice, claim="a")) == [jobs[0].job_id]
    assert [(await server.job(job.job_id)).status for job in jobs] == [Status.ASSIGNED, Status.QUEUED]


async def test_what_is_granted_to_one_that_went_away_is_given_back(server: Core, asker: Asker) -> None:
    (job,) = await server.submit()
    turn = server.jobs.turn

    async def goes(asks: Any) -> Any:
        outcomes = await turn(asks)
        asker.gone.set()
        await asyncio.sleep(0)
        return outcomes

    server.jobs.turn = goes  # type: ignore[method-assign]
    assert await asker.ask() is None
    server.jobs.turn = turn  # type: ignore[method-assign]
    stands = await server.job(job.job_id)
    assert (stands.status, stands.attempt) == (Status.QUEUED, 1)
    assert asker.member.free_slots == 2
    asker.gone.clear()
    given = await asker.ask()
    assert given is not None
    assert [(one.job_id, one.attempt) for one in given.jobs] == [(job.job_id, 2)]
    assert (await server.job(job.job_id)).status is Status.RUNNING


async def test_what_cannot_be_granted_now_waits_for_the_next_poll(server: Core, asker: Asker) -> None:
    (job,) = await server.submit()
    turn = server.jobs.turn

    async def away(asks: Any) -> Any:
        raise Unavailable("store_away", "The store is away.")

    server.jobs.turn = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="away"):
        await asker.ask()
    server.jobs.turn = turn  # type: ignore[method-assign]
    given = await asker.ask()
    assert ids(given) == [job.job_id]
    stands = await server.job(job.job_id)
    assert (stands.status, stands.attempt) == (Status.RUNNING, 1)


async def test_what_is_cancelled_before_it_is_granted_is_left_out(server: Core, asker: Asker) -> None:
    first, second = await server.submit(2)

    async def cancels() -> None:
        mailbox, look = asker.member.mailbox, asker.member.mailbox._look
        mailbox._look = lambda: None  # type: ignore[method-assign]
        await server.dispatch.give_out()
        await server.jobs.cancel([first.job_id], "me")
        mailbox._look = look  # type: ignore[method-assign]
        look()

    assert ids(await asker.besides(cancels, max=2)) == [second.job_id]
    assert (await server.job(first.job_id)).status is Status.CANCELLED


async def test_one_that_is_revoked_while_it_waits_is_told_so(server: Core, asker: Asker) -> None:
    async def revoke() -> None:
        server.notify.publish(Revoked(worker_id="w1"))

    with pytest.raises(Refused, match="revoked"):
        await asker.besides(revoke)
    assert "w1" not in server.presence.desk.members


async def test_a_draining_server_takes_no_poll(server: Core, asker: Asker) -> None:
    server.jobs.drain()
    with pytest.raises(Unavailable, match="stopping"):
        await asker.ask()


async def test_one_that_polls_is_hungry_only_while_it_does(server: Core, asker: Asker) -> None:
    """Else what others have would be taken back for it, and wait."""
    await (await server.connect("w2", "s2", "i2", slots=1)).beat()
    (job,) = await server.submit()
    await server.dispatch.give_out()
    server.clock.go_on(5)
    asker.member.heard_at = server.clock.elapsed()
    asker.member.ready = True
    await server.dispatch.give_out()
    stands = await server.job(job.job_id)
    assert (stands.status, stands.worker_id) == (Status.ASSIGNED, "w2"), "it leaves it unstarted, but nobody else asks"

    async def look() -> None:
        await server.dispatch.give_out()
        await server.dispatch.give_out()

    assert ids(await asker.besides(look, claim="a")) == [job.job_id]


async def test_one_that_takes_no_more_is_answered_at_once(server: Core, asker: Asker) -> None:
    """It waits for that answer before it ends: it might have brought jobs."""

    async def drain() -> None:
        await server.presence.said.heartbeat(asker.member, Heartbeat(jobs=(), draining=True))

    assert await asker.besides(drain, wait=30.0, claim="a") is None
