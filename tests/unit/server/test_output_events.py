"""Following over several attempts: whoever lost the connection gets the rest of each, in order, and nothing twice."""

from typing import Any

import pytest

from cmdexec.model.job import Backoff
from cmdexec.protocol.requests import OutputQuery
from cmdexec.server.api.handler import Call, Event
from cmdexec.server.api.output import OutputApi
from cmdexec.server.identity import NOBODY
from cmdexec.server.jobs import due
from tests.unit.server.core import Core, eventually

WHOLE: list[Any] = [
    ("attempt", 1), ("output", "one"), ("attempt", 2), ("output", "two!"), ("attempt", 3), ("output", "three"), "end",
]  # fmt: skip


async def ran_three_times(server: Core) -> str:
    """A job that failed twice and then did not; attempt n wrote `one`, `two!`, `three`."""
    (job,) = await server.submit(max_retries=2, backoff=Backoff(0.0, 0.0))
    worker = await server.connect()
    await worker.beat()
    for number, (out, code) in enumerate(((b"one", 1), (b"two!", 1), (b"three", 0)), 1):
        if number > 1:
            await server.jobs.turn(due([job.job_id]))
        await server.claim(worker.holder)
        await worker.start((job.job_id, number))
        await worker.output(job.job_id, number, 0, out)
        told = await worker.done(job.job_id, number, out, exit_code=code)
        assert told.tell == "ok", told
    return job.job_id


async def test_each_run_but_the_first_is_told_with_how_the_one_before_it_ended(server: Core) -> None:
    job_id = await ran_three_times(server)
    api = OutputApi(server.reads, server.reader, server.follower, str)
    for last, runs in (("1:0:0", [(1, None), (2, "exit code 1"), (3, "exit code 1")]), ("", [(3, "exit code 1")])):
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        reply = await api.output(Call(NOBODY, OutputQuery(job_id=job_id, follow="1"), headers=headers))
        events = [event async for event in reply.body]
        assert [(event.data.run, event.data.why) for event in events if event.name == "attempt"] == runs


async def followed(server: Core, job_id: str, last: str = "", **query: Any) -> list[Any]:
    """What a reader gets that names `last` as the last event it saw: pieces joined."""
    api = OutputApi(server.reads, server.reader, server.follower, str)
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    request = OutputQuery(job_id=job_id, follow="1", **query)
    reply = await api.output(Call(NOBODY, request, headers=headers))
    got: list[Any] = []
    async for event in reply.body:
        assert isinstance(event, Event)
        if event.name == "attempt":
            got.append(("attempt", event.data.attempt))
        elif event.name == "output":
            got.append(("output", bytes(event.data.data).decode()))
        else:
            got.append("end")
    return got


@pytest.mark.parametrize(("last", "missed"), [
    ("1:0:0", WHOLE),
    ("1:2:0", [("attempt", 1), ("output", "e"), *WHOLE[2:]]),
    ("1:3:0", [("attempt", 1), *WHOLE[2:]]),
    ("2:3:0", [("attempt", 2), ("output", "!"), *WHOLE[4:]]),
    ("3:0:0", WHOLE[4:]),
    ("3:5:0", [("attempt", 3), "end"]),
])  # fmt: skip
async def test_a_reader_goes_on_where_it_was_through_all_later_attempts(
    server: Core, last: str, missed: list[Any]
) -> None:
    job_id = await ran_three_times(server)
    assert await followed(server, job_id, last) == missed


async def test_who_begins_gets_the_newest_attempt_and_who_names_one_gets_that(server: Core) -> None:
    job_id = await ran_three_times(server)
    assert await followed(server, job_id) == WHOLE[4:]
    assert await followed(server, job_id, attempt=2) == [("attempt", 2), ("output", "two!"), "end"]
    assert await followed(server, job_id, "2:1:0", attempt=2) == [("attempt", 2), ("output", "wo!"), "end"]
    assert await followed(server, job_id, "1:1:0", attempt=2) == [("attempt", 2), ("output", "two!"), "end"]


async def test_a_stream_that_is_closed_leaves_no_follower_behind(server: Core) -> None:
    (job,) = await server.submit()
    api = OutputApi(server.reads, server.reader, server.follower, str)
    request = OutputQuery(job_id=job.job_id, follow="1")
    for headers in ({"Accept": "text/event-stream"}, {}):
        reply = await api.output(Call(NOBODY, request, headers=headers))
        worker = await server.connect(instance=str(headers))
        await worker.beat()
        if not headers:
            await server.claim(worker.holder)
            await worker.start((job.job_id, 1))
            await worker.output(job.job_id, 1, 0, b"x")
            assert await anext(reply.body) == b"x"
        await reply.body.aclose()
        await eventually(lambda: not server.follower._watched, "nobody follows any more")
