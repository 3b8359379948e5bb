"""Waiting for jobs: told over one socket, looked for where none is to be had, and never longer than need be."""

import asyncio
import random
from itertools import count

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.protocol.watching import ENDS_MAX
from tests.support.waiting import becomes
from tests.support.watched import Watched

SLOW = {"retry_first_sec": "60s", "retry_max_sec": "60s"}
"""Whoever looks comes too late; the first socket is not waited for."""


def ids(count: int) -> list[str]:
    return [f"{number:036x}" for number in range(count)]


def running(server: Watched, count: int) -> list[str]:
    server.jobs = dict.fromkeys(ids(count), "running")
    return list(server.jobs)


async def test_the_end_is_told_over_a_socket_and_never_looked_for() -> None:
    server = Watched(**SLOW)
    (job_id,) = running(server, 1)
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait(job_id))
        await becomes(lambda: any(server.watching.values()), "it is watched")
        await server.end(job_id, status="failed")
        assert (await waits).status == "failed"
    assert (server.looks, server.opened) == ([], 1)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_job_that_has_ended_is_not_waited_for(status: str) -> None:
    server = Watched(**SLOW)
    server.jobs = {ids(1)[0]: status}
    async with server as client:
        assert (await asyncio.wait_for(client.wait(ids(1)[0]), 5)).status == status


async def test_more_jobs_than_a_socket_may_watch_are_watched_as_others_end() -> None:
    server = Watched(**SLOW)
    jobs = running(server, ENDS_MAX + 500)
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait_all(jobs))
        await becomes(lambda: server.most == ENDS_MAX, "as many are watched as may be")
        await server.end(*jobs[:600])
        await becomes(lambda: [len(one) for one in server.watching.values()] == [ENDS_MAX - 100], "the others as well")
        await server.end(*jobs[600:])
        assert [view.job_id for view in await waits] == jobs
    assert (server.opened, server.most) == (1, ENDS_MAX)


@pytest.mark.parametrize("way", ["refused", "deaf"])
async def test_without_a_socket_it_is_looked_for(way: str) -> None:
    server = Watched(way)  # type: ignore[arg-type]
    jobs = running(server, 3)
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait_all(jobs))
        await becomes(lambda: len(server.looks) > 2, "they are looked at again and again")
        await server.end(*jobs)
        assert {view.status for view in await asyncio.wait_for(waits, 5)} == {"completed"}


class Longest(random.Random):
    """Every wait takes as long as it may."""

    def random(self) -> float:
        return 0.999


async def test_a_job_that_is_new_is_looked_at_soon_however_long_another_one_runs() -> None:
    server = Watched("refused", retry_first_sec="10ms", retry_max_sec="60s", rng=Longest())
    long, short = running(server, 2)
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait(long))
        await becomes(lambda: len(server.looks) >= 7, "the next look is a second away")
        await server.end(short)
        assert (await asyncio.wait_for(client.wait(short), 1)).status == "completed"
        await server.end(long)
        waits.cancel()


async def test_a_socket_that_was_cut_is_followed_by_another() -> None:
    server = Watched(retry_first_sec="10ms", retry_max_sec="20ms")
    first, second = running(server, 2)
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait_all([first, second]))
        await becomes(lambda: any(len(one) == 2 for one in server.watching.values()), "both are watched")
        await server.cut()
        await becomes(lambda: server.opened == 2 and any(len(one) == 2 for one in server.watching.values()), "again")
        await server.end(first, second)
        assert [view.job_id for view in await waits] == [first, second]


async def test_a_job_that_is_not_there_is_told_apart_from_the_others() -> None:
    server = Watched()
    there, missing = ids(2)
    server.jobs = {there: "running"}
    async with server as client, asyncio.TaskGroup() as group:
        waits = group.create_task(client.wait(there))
        with pytest.raises(Refused, match=missing) as told:
            await asyncio.wait_for(client.wait(missing), 5)
        assert told.value.code == "not_found"
        assert not waits.done()
        await server.end(there)


async def test_a_login_that_has_ended_is_told_to_all_who_wait_by_one_call() -> None:
    server = Watched("unknown")
    async with server as client:
        waits = [asyncio.create_task(client.wait(job_id)) for job_id in ids(60)]
        told = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 10)
    assert {one.code for one in told if isinstance(one, Refused)} == {"unauthorized"}
    assert (len(told), len(server.looks)) == (60, 1)


async def test_a_server_that_stays_away_is_given_up_for_all_who_wait() -> None:
    server = Watched(patience_sec="200ms")
    jobs = running(server, 2)
    async with server as client:
        await client.status(jobs[0])
        server.way = "away"
        with pytest.raises(Unavailable) as told:
            await asyncio.wait_for(client.wait_all(jobs), 10)
    assert told.value.code == "server_away"


async def test_one_who_stops_waiting_leaves_the_others_to_it() -> None:
    server = Watched(**SLOW)
    (job_id,) = running(server, 1)
    async with server as client, asyncio.TaskGroup() as group:
        impatient, patient = group.create_task(client.wait(job_id)), group.create_task(client.wait(job_id))
        await becomes(lambda: any(server.watching.values()), "it is watched")
        impatient.cancel()
        await asyncio.wait({impatient})
        await server.end(job_id)
        assert (await patient).status == "completed"


async def test_what_nobody_waits_for_is_watched_no_more() -> None:
    """Without a word, if its end was told."""
    server = Watched(**SLOW)
    ended, goes_on = running(server, 2)
    async with server as client, asyncio.TaskGroup() as group:
        waits = [group.create_task(client.wait(job_id)) for job_id in (ended, goes_on)]
        await becomes(lambda: any(len(one) == 2 for one in server.watching.values()), "both are watched")
        await server.end(ended)
        await waits[0]
        waits[1].cancel()
        await becomes(lambda: [len(one) for one in server.watching.values()] == [0], "neither is watched any more")
    assert server.said == [("watch", 2), ("unwatch", 1)]


async def test_all_that_wait_at_once_are_asked_for_in_one_frame() -> None:
    server = Watched(**SLOW)
    jobs = running(server, 50)
    async with server as client, asyncio.TaskGroup() as group:
        first = group.create_task(client.wait(jobs[0]))
        await becomes(lambda: any(server.watching.values()), "it is watched")
        others = [group.create_task(client.wait(job_id)) for job_id in jobs[1:]]
        await becomes(lambda: [len(one) for one in server.watching.values()] == [50], "all are watched")
        await server.end(*jobs)
        await asyncio.gather(first, *others)
    assert server.said == [("watch", 1), ("watch", 49)]


async def test_a_job_that_was_just_asked_for_over_the_socket_is_not_looked_at() -> None:
    """However soon a look is due, for which a job before it gave occasion."""
    server = Watched(retry_first_sec="100ms", retry_max_sec="100ms")
    async with server as client:
        clock = client.runtime.clock
        until = clock.elapsed() + 0.6
        for number in count():
            if clock.elapsed() > until:
                break
            job_id = f"{number:036x}"
            server.jobs[job_id] = "running"
            async with asyncio.TaskGroup() as group:
                waits = group.create_task(client.wait(job_id))
                await becomes(lambda: any(server.watching.values()), "it is watched")
                await server.end(job_id)
                await waits
    assert server.looks == []


async def test_whoever_waits_when_the_client_ends_is_cancelled() -> None:
    server = Watched()
    (job_id,) = running(server, 1)
    async with asyncio.TaskGroup() as group:
        async with server as client:
            waits = group.create_task(client.wait(job_id))
            await becomes(lambda: any(server.watching.values()), "it is watched")
        with pytest.raises(asyncio.CancelledError):
            await waits
