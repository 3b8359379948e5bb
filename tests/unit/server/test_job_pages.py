"""Many jobs in one answer: complete and in order, with few of them in memory, and refused before a byte is sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cmdexec.errors import Refused
from cmdexec.model.job import Job
from cmdexec.protocol.requests import CancelJobs, JobQuery
from cmdexec.server.api.handler import JSON, Call, Reply
from cmdexec.server.api.jobs import JobsApi
from cmdexec.server.api.pages import PAGE
from cmdexec.server.identity import Identity
from cmdexec.server.workers import Waits
from tests.support.waiting import becomes
from tests.unit.server.core import OWNER, Core

ME = Identity("user", OWNER, frozenset())
LARGE = ("true", "x" * 100_000, "y" * 100_000)


def api(server: Core) -> JobsApi:
    fleet = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    return JobsApi(server.jobs, server.reads, fleet=fleet, max_batch=1000, max_spec_bytes=1 << 20)


async def status(server: Core, job_ids: Sequence[str]) -> Reply:
    return await api(server).status(Call(ME, JobQuery(job_id=tuple(job_ids))))


def watched(server: Core) -> list[int]:
    """How many jobs are read at once, each time."""
    sizes: list[int] = []
    get = server.reads.jobs.get

    async def counted(job_ids: Sequence[str]) -> Any:
        sizes.append(len(job_ids))
        return await get(job_ids)

    server.reads.jobs.get = counted  # type: ignore[method-assign]
    return sizes


def shown(body: bytes) -> list[tuple[str, Any]]:
    answer = json.loads(body)
    assert set(answer) == {"jobs"}
    return [(job["jobId"], job["command"]) for job in answer["jobs"]]


def expected(jobs: Sequence[Job]) -> list[tuple[str, Any]]:
    return [(job.job_id, list(job.spec.command)) for job in jobs]


@pytest.mark.parametrize("count", [2, PAGE, PAGE + 1, 3 * PAGE - 1])
async def test_small_jobs_come_in_one_piece(server: Core, count: int) -> None:
    jobs = (await server.submit(count))[::-1]
    reply = await status(server, [job.job_id for job in jobs])
    assert isinstance(reply.body, bytes)
    assert reply.content_type == JSON
    assert shown(reply.body) == expected(jobs)


async def test_large_jobs_are_read_and_sent_a_few_at_a_time(server: Core) -> None:
    jobs = await server.submit(5 * PAGE, command=LARGE)
    sizes = watched(server)
    reply = await status(server, [job.job_id for job in jobs])
    assert isinstance(reply.body, AsyncIterator)
    assert reply.content_type == JSON
    parts = [part async for part in reply.body]
    assert shown(b"".join(parts)) == expected(jobs)
    assert max(sizes) <= PAGE
    assert max(map(len, parts)) <= 256 * 1024


async def test_of_answers_that_nobody_reads_on_few_jobs_are_in_memory(server: Core) -> None:
    """Whoever is not read holds one job at most, and all that are not read 32 together; who reads on gets the rest."""
    jobs = await server.submit(5, command=LARGE)
    pages = api(server)
    asked = Call(ME, JobQuery(job_id=tuple(job.job_id for job in jobs)))
    sizes = watched(server)
    bodies = [(await pages.status(asked)).body for _ in range(40)]
    first = [await anext(body) for body in bodies]
    sizes.clear()
    waiting = [asyncio.create_task(anext(body)) for body in bodies]
    await becomes(lambda: sum(one.done() for one in waiting) == 32, "as many as may are made")
    assert sizes == [1] * 32
    more = asyncio.create_task(anext(bodies[0]))
    await becomes(lambda: sum(one.done() for one in waiting) == 33, "the next one has its turn")
    for one, body in zip(waiting[1:], bodies[1:], strict=True):
        one.cancel()
        await asyncio.wait([one])
        await body.aclose()
    parts = [first[0], waiting[0].result(), await more, *[part async for part in bodies[0]]]
    assert shown(b"".join(parts)) == expected(jobs)


@pytest.mark.parametrize("place", [0, 2 * PAGE, -1])
async def test_an_unknown_job_anywhere_refuses_all(server: Core, place: int) -> None:
    jobs = await server.submit(5 * PAGE, command=LARGE)
    ids = [job.job_id for job in jobs]
    ids[place] = nowhere = server.runtime.ids.new()
    with pytest.raises(Refused, match=nowhere):
        await status(server, ids)


async def test_many_jobs_are_cancelled_a_few_at_a_time(server: Core) -> None:
    jobs = await server.submit(3 * PAGE)
    sizes = watched(server)
    ids = tuple(job.job_id for job in jobs)
    reply = await api(server).cancel(Call(ME, CancelJobs(job_id=(*ids, ids[0]))))
    assert [(view.job_id, view.outcome) for view in reply.body.jobs] == [
        *((job_id, "cancelled") for job_id in ids), (ids[0], "too_late"),
    ]  # fmt: skip
    assert max(sizes) <= PAGE
