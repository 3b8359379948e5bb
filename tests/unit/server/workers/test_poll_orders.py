"""Requests for jobs: what they are told to end, how soon they are answered, and how often."""

import asyncio
import time
from typing import Any

import pytest

from cmdexec.protocol.messages import AskJobs, Heartbeat, Register
from cmdexec.server.workers import PollingMember
from cmdexec.server.workers.polls import Given
from tests.unit.server.core import Core, eventually


@pytest.fixture
async def member(server: Core) -> PollingMember:
    await server.presence.said.register("w1", Register(session="s1", instance_id="i1", slots=2))
    member = await server.presence.said.heard("w1")
    assert isinstance(member, PollingMember)
    return member


def ask(server: Core, member: PollingMember, *, alone: bool = False, **asked: Any) -> "asyncio.Task[Given | None]":
    fields = {"wait": 30.0, "claim": None, "max": 1} | asked

    async def gone() -> None:
        await asyncio.Event().wait()

    return asyncio.create_task(server.presence.polls.ask(member, AskJobs(**fields), gone, alone=alone))


async def waiting(member: PollingMember, claim: str | None) -> None:
    await eventually(lambda: (poll := member.mailbox.poll) is not None and poll.claim == claim, "it does not wait")


async def run_one(server: Core, member: PollingMember) -> tuple[str, int]:
    """One that runs."""
    (job,) = await server.submit()
    asked = ask(server, member)
    await waiting(member, None)
    await server.dispatch.give_out()
    given = await asked
    assert given is not None
    return job.job_id, 1


async def test_an_order_whose_answer_was_lost_is_said_again_for_the_same_claim(
    server: Core, member: PollingMember
) -> None:
    key = await run_one(server, member)
    first = ask(server, member, claim="a")
    await waiting(member, "a")
    await server.jobs.cancel([key[0]], "me")
    for answer in (await first, await ask(server, member, claim="a")):
        assert answer is not None
        assert (list(answer.cancel), list(answer.stop), list(answer.jobs)) == ([key], [], [])
    other = ask(server, member, claim="b")
    await waiting(member, "b")
    assert not other.done(), "another claim is told nothing twice"
    other.cancel()


async def test_jobs_that_are_given_again_bring_the_orders_that_came_with_them(
    server: Core, member: PollingMember
) -> None:
    key = await run_one(server, member)
    (job,) = await server.submit()
    (claimed,) = await server.claim(member.holder)
    server.presence.desk.assign(member, [claimed])
    await server.jobs.cancel([key[0]], "me")
    for _ in range(2):
        answer = await ask(server, member, claim="a")
        assert answer is not None
        assert ([one.job_id for one in answer.jobs], list(answer.cancel)) == ([job.job_id], [key])


async def test_who_asks_for_orders_alone_needs_no_claim(server: Core, member: PollingMember) -> None:
    key = await run_one(server, member)
    asked = ask(server, member, max=0)
    await waiting(member, None)
    await server.jobs.cancel([key[0]], "me")
    answer = await asked
    assert answer is not None
    assert (list(answer.cancel), list(answer.jobs)) == ([key], [])


async def test_two_that_end_each_others_requests_are_not_answered_at_once(server: Core, member: PollingMember) -> None:
    """Two processes that share an id, and do not say which they are."""
    began = time.monotonic()
    first = ask(server, member, claim="a")
    await waiting(member, "a")
    ask(server, member, claim="b").add_done_callback(lambda _: None)
    await waiting(member, "b")
    assert await first is None
    assert time.monotonic() - began > 0.5


async def test_one_that_says_which_process_it_is_ends_its_own_request_at_once(
    server: Core, member: PollingMember
) -> None:
    first = ask(server, member, claim="a", alone=True)
    await waiting(member, "a")
    second = ask(server, member, claim="b", alone=True)
    await waiting(member, "b")
    began = time.monotonic()
    assert await first is None
    assert time.monotonic() - began < 0.9
    second.cancel()


@pytest.mark.parametrize("why", ["full", "drains", "runs nothing"])
async def test_who_may_be_given_nothing_is_told_so_at_once_if_it_does_not_wait(server: Core, why: str) -> None:
    said = server.presence.said
    executors = () if why == "runs nothing" else ("process",)
    await said.register("w1", Register(session="s1", instance_id="i1", executors=executors))
    member = await said.heard("w1")
    assert isinstance(member, PollingMember)
    if why == "full":
        await run_one(server, member)
    await said.heartbeat(member, Heartbeat(draining=why == "drains"))
    began = time.monotonic()
    assert await ask(server, member, wait=0.0) is None
    assert time.monotonic() - began < 0.9
