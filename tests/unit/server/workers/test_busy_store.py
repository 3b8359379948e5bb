"""A store that has no time for a question is no fault of the worker: it is told to ask again, and keeps its socket."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.link.socket import Close
from cmdexec.model.job import Status
from tests.unit.server.core import Core, Worker, eventually


async def _away(*_: object) -> Any:
    raise Unavailable("overloaded", "Too many wait to read the store.")


@contextmanager
def busy(place: Any, call: str) -> Iterator[None]:
    """Meanwhile `place.call` answers that the store is busy."""
    kept = getattr(place, call)
    setattr(place, call, _away)
    try:
        yield
    finally:
        setattr(place, call, kept)


async def running(server: Core) -> tuple[Worker, str]:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    return worker, job.job_id


async def test_output_that_cannot_be_explained_now_is_to_be_sent_again(server: Core) -> None:
    worker, _ = await running(server)
    nowhere = server.runtime.ids.new()
    with busy(server.reads.output, "rows"):
        await worker.output(nowhere, 1, 0, b"of a job that is not there")
        (ack,) = await eventually(lambda: worker.sent.items("ack"), "no answer")
    assert (ack.job_id, ack.tell, ack.code) == (nowhere, "again", "overloaded")
    assert worker.sent.ended is None


async def test_a_result_whose_output_cannot_be_read_now_is_to_be_told_again(server: Core) -> None:
    worker, job_id = await running(server)
    await worker.output(job_id, 1, 0, b"abc")
    await eventually(lambda: worker.sent.items("ack"), "no acknowledgement")
    server.measures.closed(job_id, 1)
    with busy(server.measures, "measure"):
        assert (await worker.done(job_id, 1, b"abc")).tell == "again"
    assert (await worker.done(job_id, 1, b"abc")).tell == "ok"
    assert worker.sent.ended is None


async def test_a_list_that_cannot_be_compared_now_renews_the_lease_and_the_next_is_compared(server: Core) -> None:
    """The worker was given a job while it came back, so what it has is in doubt."""
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    claim = server.jobs.claim

    async def late(*args: Any, **named: Any) -> Any:
        worker.leave()
        held.append(await server.connect())
        return await claim(*args, **named)

    held: list[Worker] = []
    server.jobs.claim = late  # type: ignore[method-assign]
    await server.dispatch.give_out()
    (again,) = held
    with busy(server.reads.jobs, "held_by"):
        assert (await again.beat()).lease_sec == 60
    assert again.assigned() == []
    await again.beat()
    assert await eventually(again.assigned, "it was not sent") == [(job.job_id, 1)]
    assert again.sent.ended is None
    assert (await server.job(job.job_id)).status is Status.ASSIGNED


async def test_what_is_not_caught_closes_the_socket_as_not_now_and_not_as_a_bad_frame(server: Core) -> None:
    worker, _ = await running(server)
    server.presence.desk.spawn(_away(), worker.sent)
    await eventually(lambda: worker.sent.ended, "it was not closed")
    assert worker.sent.ended == (Close.GOING_AWAY, "Too many wait to read the store.")
