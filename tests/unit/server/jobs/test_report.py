"""An end is judged by the output that is stored at that moment, not by what was known of it a little earlier."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.protocol.messages import Held
from cmdexec.server.output import Appender
from cmdexec.store.contract.output import Append
from tests.unit.server.core import Core, Worker, core, done, eventually


async def running(server: Core) -> tuple[Worker, Job]:
    """A worker, and a job that runs on it and has written `hello` so far."""
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await worker.output(job.job_id, 1, 0, b"hello")
    await eventually(lambda: worker.sent.items("ack"), "no acknowledgement")
    return worker, job


def append_late(server: Core, job: Job) -> Callable[[], Awaitable[Any]]:
    """More of its output, brought to `server`."""
    piece = Append(job.job_id, 1, "s1", "stdout", 5, b" world", 1 << 20)
    appender = Appender(output=server.reads.output, measures=server.measures, notify=server.notify)
    return lambda: appender.append([piece])


def before_the_next_write(server: Core, happens: Callable[[], Awaitable[Any]]) -> None:
    apply = server.store.jobs_write.apply

    async def overtaken(writes: Any) -> Any:
        server.store.jobs_write.apply = apply  # type: ignore[method-assign]
        await happens()
        return await apply(writes)

    server.store.jobs_write.apply = overtaken  # type: ignore[method-assign]


async def shown_as_stored(server: Core, job: Job) -> Job:
    """The job; what it says of its output is what a download gives."""
    ended = await server.job(job.job_id)
    stored = await server.stored(job.job_id, 1)
    result = ended.attempts[0].result
    assert result is not None
    assert (result.stdout.bytes, result.stdout.digest) == (len(stored), hashlib.sha256(stored).hexdigest())
    return ended


async def test_output_that_overtakes_the_result_is_in_what_the_end_says(server: Core) -> None:
    worker, job = await running(server)
    before_the_next_write(server, append_late(server, job))
    told = await worker.done(job.job_id, 1, b"hello")
    assert (told.tell, told.code) == ("ok", "output_differs")
    ended = await shown_as_stored(server, job)
    assert ended.status is Status.COMPLETED
    assert ended.attempts[0].result is not None
    assert ended.attempts[0].result.stdout.whole is False


async def test_output_that_overtakes_its_own_result_lets_it_be_whole(server: Core) -> None:
    """Judged by what was known before, ` world` would be stored from the result once more, or the end not be whole."""
    worker, job = await running(server)
    before_the_next_write(server, append_late(server, job))
    told = await worker.done(job.job_id, 1, b"hello world", inline=b" world")
    assert (told.tell, told.code) == ("ok", None)
    ended = await shown_as_stored(server, job)
    assert ended.attempts[0].result is not None
    assert ended.attempts[0].result.stdout.whole is True
    assert await server.stored(job.job_id, 1) == b"hello world"


async def test_what_another_server_stored_meanwhile_is_measured_when_the_worker_asks_again(tmp_path: Path) -> None:
    async with core(tmp_path) as server, core(tmp_path, clock=server.clock, store=server.store, seed=1) as other:
        worker, job = await running(server)
        before_the_next_write(server, append_late(other, job))
        told = await worker.done(job.job_id, 1, b"hello world", inline=b" world")
        assert told.tell == "again"
        assert (await server.job(job.job_id)).status is Status.RUNNING
        told = await worker.done(job.job_id, 1, b"hello world", inline=b" world")
        assert (told.tell, told.code) == ("ok", None)
        ended = await shown_as_stored(server, job)
        assert ended.attempts[0].result is not None
        assert ended.attempts[0].result.stdout.whole is True


async def test_an_overtaken_end_holds_up_no_other_of_its_turn(server: Core) -> None:
    worker, job = await running(server)
    (second,) = await server.submit()
    await server.dispatch.give_out()
    before_the_next_write(server, append_late(server, job))
    ended, begun = await worker.ask_all(
        ("done", [done(job.job_id, 1, b"hello")]), ("start", [Held(job_id=second.job_id, attempt=1)])
    )
    assert [told.tell for told in (*ended, *begun)] == ["ok", "go"]
    assert len((await server.job(second.job_id)).attempts) == 1


async def test_after_an_append_of_unknown_outcome_the_job_still_ends(server: Core) -> None:
    worker, job = await running(server)
    output = server.reads.output
    append = output.append

    async def lost(appends: Any) -> Any:
        output.append = append  # type: ignore[method-assign]
        await append(appends)
        raise Unavailable("store_away", "The answer was lost.")

    output.append = lost  # type: ignore[method-assign]
    await worker.output(job.job_id, 1, 5, b" world")
    await eventually(lambda: worker.sent.items("ack")[-1].stdout == 11, "no second acknowledgement")
    told = await worker.done(job.job_id, 1, b"hello world")
    assert (told.tell, told.code) == ("ok", None)
    ended = await shown_as_stored(server, job)
    assert ended.attempts[0].result is not None
    assert ended.attempts[0].result.stdout.whole is True


async def test_output_that_comes_after_the_end_is_dropped_and_counted(
    server: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cmdexec.test")
    worker, job = await running(server)
    await worker.done(job.job_id, 1, b"hello")
    assert server.jobs.dropped_late == 0
    await worker.output(job.job_id, 1, 5, b" world")
    await eventually(lambda: worker.sent.items("ack")[-1].tell == "stop", "the worker is not told to stop")
    assert server.jobs.dropped_late == 1
    assert [record.__dict__["about"] for record in caplog.records if "dropped" in record.getMessage()] == [
        {"job": job.job_id, "so_often": 1}
    ]
    assert await server.stored(job.job_id, 1) == b"hello"
