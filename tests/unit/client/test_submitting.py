"""Submitting over the socket over which ends are told: one message for what is else a request and a watch, and a
request with the same key wherever that cannot be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cmdexec.client import Client, NewJob
from cmdexec.client.submitting import UNCLAIMED_MAX, Unclaimed
from cmdexec.errors import Refused
from tests.support.scripted import job
from tests.support.waiting import becomes
from tests.support.watched import Submitting, Watched

SLOW = {"retry_first_sec": "60s", "retry_max_sec": "60s"}
"""Whoever looks comes too late."""

JOB = NewJob(command="true")


@asynccontextmanager
async def waited(server: Watched) -> AsyncIterator[Client]:
    """A client whose socket is open, since it has waited for a job, which was submitted by a request."""
    async with server as client:
        first = await client.submit(JOB)
        async with asyncio.TaskGroup() as group:
            group.create_task(client.wait(first.job_id))
            await becomes(lambda: any(server.watching.values()), "its end is watched")
            await server.end(first.job_id)
        assert (len(server.posted), server.submitted) == (1, [])
        yield client


async def test_what_is_submitted_over_the_socket_is_watched_without_being_asked_for() -> None:
    server = Watched(**SLOW)
    async with waited(server) as client:
        said = list(server.said)
        view = await client.submit(JOB, key="mine")
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(client.wait(view.job_id))
            await becomes(lambda: bool(client._waiting and client._waiting._waiters), "it is waited for")
            await server.end(view.job_id, status="failed")
            assert (await waits).status == "failed"
    assert server.submitted == ["mine"]
    assert (server.said, server.looks, len(server.posted)) == (said, [], 1)


async def test_an_end_that_is_told_before_somebody_waits_is_kept_for_one_who_does() -> None:
    server = Watched(**SLOW)
    async with waited(server) as client:
        said = list(server.said)
        views = [await client.submit(JOB) for _ in range(20)]
        await server.end(*(view.job_id for view in views))
        ended = [await asyncio.wait_for(client.wait(view.job_id), 5) for view in reversed(views)]
        assert {view.status for view in ended} == {"completed"}
    assert (server.said, server.looks) == (said, [])


@pytest.mark.parametrize("way", ["unknown", "unanswered", "cut"])
async def test_what_is_not_answered_is_requested_with_the_same_key(way: Submitting) -> None:
    server = Watched(submit_answer_sec="100ms")
    async with waited(server) as client:
        server.submitting = way
        view = await client.submit(JOB, key="once")
        assert (server.submitted, server.posted[1:]) == (["once"], ["once"])
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(client.wait(view.job_id))
            await becomes(lambda: any(server.watching.values()), "it is watched over a new socket, or the same")
            await server.end(view.job_id)
            assert (await asyncio.wait_for(waits, 5)).status == "completed"


async def test_the_same_job_submitted_again_hangs_nobody_who_waits_for_it() -> None:
    """A key that is used again gives the job that somebody waits for by now."""
    server = Watched(**SLOW)
    async with waited(server) as client:
        view = await client.submit(JOB, key="nightly")
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(client.wait(view.job_id))
            await becomes(lambda: bool(client._waiting and client._waiting._waiters), "it is waited for")
            server.again = view.job_id
            assert (await client.submit(JOB, key="nightly")).job_id == view.job_id
            await server.end(view.job_id)
            assert (await asyncio.wait_for(waits, 5)).status == "completed"
        assert (await asyncio.wait_for(client.wait(view.job_id), 5)).status == "completed", "also who waits later"


async def test_an_answer_that_was_made_before_an_unwatch_was_heard_does_not_hold() -> None:
    server = Watched(**SLOW)
    async with waited(server) as client:
        view = await client.submit(JOB, key="nightly")
        first = asyncio.ensure_future(client.wait(view.job_id))
        await becomes(lambda: bool(client._waiting and client._waiting._waiters), "it is waited for")
        server.again, server.hold = view.job_id, asyncio.Event()
        second = asyncio.ensure_future(client.submit(JOB, key="nightly"))
        await becomes(lambda: server.submitted.count("nightly") == 2, "it is under way")
        first.cancel()
        await becomes(lambda: ("unwatch", 1) in server.said, "nobody waits, and the server has heard it")
        server.hold.set()
        assert (await second).job_id == view.job_id
        async with asyncio.TaskGroup() as group:
            waits = group.create_task(client.wait(view.job_id))
            await becomes(lambda: any(view.job_id in one for one in server.watching.values()), "it is watched anew")
            await server.end(view.job_id)
            assert (await asyncio.wait_for(waits, 5)).status == "completed"


async def test_after_an_answer_that_did_not_come_requests_do_it_until_one_comes() -> None:
    server = Watched(submit_answer_sec="100ms")
    async with waited(server) as client:
        server.hold = asyncio.Event()
        for key in ("one", "two", "three"):
            await client.submit(JOB, key=key)
        assert (server.submitted, server.posted[1:]) == (["one"], ["one", "two", "three"])
        server.hold.set()
        await becomes(lambda: ("unwatch", 1) in server.said, "a late answer's job is watched no more")
        await client.submit(JOB, key="four")
    assert (server.submitted, len(server.posted)) == (["one", "four"], 4)


async def test_one_that_has_to_wait_waits_as_a_request_does() -> None:
    server = Watched(patience_sec="5s")
    async with waited(server) as client:
        server.submitting = "busy"
        began = client.runtime.clock.elapsed()
        await client.submit(JOB, key="later")
        assert client.runtime.clock.elapsed() - began >= 1
    assert (server.submitted, server.posted[1:]) == (["later"], ["later"])


async def test_a_server_that_knows_no_such_frame_is_not_asked_again() -> None:
    server = Watched()
    async with waited(server) as client:
        server.submitting = "unknown"
        first = await client.submit(JOB, key="first")
        async with asyncio.TaskGroup() as group:
            group.create_task(client.wait(first.job_id))
            await becomes(lambda: server.opened == 2 and any(server.watching.values()), "there is a new socket")
            await client.submit(JOB, key="second")
            await server.end(first.job_id)
    assert (server.submitted, server.posted[1:]) == (["first"], ["first", "second"])


async def test_a_refusal_is_that_of_the_request() -> None:
    server = Watched()
    async with waited(server) as client:
        server.submitting = "refused"
        with pytest.raises(Refused) as wrong:
            await client.submit(JOB)
        assert (wrong.value.code, wrong.value.field) == ("invalid_field", "command")
        server.submitting = "taken"
        await client.submit(JOB)
    assert (len(server.submitted), server.opened) == (2, 1)


@pytest.mark.parametrize("new", [NewJob(command="x" * 20_000), NewJob(command="ls \udcff")], ids=["long", "no text"])
async def test_what_is_long_or_no_text_is_requested(new: NewJob) -> None:
    server = Watched()
    async with waited(server) as client:
        if "\udcff" in new.command:
            with pytest.raises(Refused):
                await client.submit(new)
        else:
            await client.submit(new)
    assert server.submitted == []


async def test_no_more_are_watched_for_nobody_than_may_be() -> None:
    server = Watched(**SLOW)
    async with waited(server) as client:
        views = [await client.submit(JOB) for _ in range(UNCLAIMED_MAX + 2)]
        assert server.most <= UNCLAIMED_MAX
        assert [len(watched) for watched in server.watching.values()] == [UNCLAIMED_MAX]
        await server.end(*(view.job_id for view in views))
        last = await asyncio.wait_for(client.wait(views[-1].job_id), 5)
        assert last.status == "completed", "one that was not watched is asked after"


def test_of_those_that_ended_the_newest_are_kept() -> None:
    unclaimed = Unclaimed(most=2)
    for number in range(3):
        assert unclaimed.room
        unclaimed.add(f"{number}")
        unclaimed.over(job("completed", job_id=f"{number}"))
    assert [unclaimed.claim(f"{number}") is not None for number in range(3)] == [False, True, True]
    assert unclaimed.claim("2") is None, "each is told once"
    for lost in (job("failed", job_id="3", reason="lost"), job("cancelled", job_id="4", confirmed=False)):
        unclaimed.add(lost.job_id)
        unclaimed.over(lost)
        assert unclaimed.claim(lost.job_id) is None, "more may come to be known of it"
    unclaimed.add("3")
    unclaimed.add("4")
    assert not unclaimed.room
    unclaimed.lost()
    assert unclaimed.room
