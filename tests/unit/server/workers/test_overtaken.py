"""What waits with a worker is taken back when it is too old to begin, for a better one, or for another worker."""

from typing import Any

from cmdexec.model.job import Job, Reason, Status
from tests.unit.server.core import Core, Worker


async def ready(server: Core, name: str, **said: Any) -> Worker:
    worker = await server.connect(name, f"s-{name}", f"i-{name}", **said)
    await worker.beat()
    return worker


async def one(server: Core, **spec: Any) -> Job:
    """A job that comes after those before it."""
    server.clock.go_on(0.001)
    (job,) = await server.submit(1, **spec)
    return job


async def filled(server: Core) -> tuple[Worker, Job]:
    """A worker of two cores, and a job of one and a half that runs there."""
    worker = await ready(server, "w", slots=4, cpu=2.0, ram_mb=1024, limits="watched")
    first = await one(server, cpu=1.5)
    await server.dispatch.give_out()
    await worker.start((first.job_id, 1))
    return worker, first


async def status(server: Core, *jobs: Job) -> list[Status]:
    return [(await server.job(job.job_id)).status for job in jobs]


async def test_a_job_that_waits_for_its_part_until_it_is_too_old_expires(server: Core) -> None:
    worker, first = await filled(server)
    late, other = await one(server, cpu=1.0, ttl_sec=5.0), await one(server, cpu=1.0, ttl_sec=60.0)
    assert await server.dispatch.give_out(), "it has to be looked at again"
    assert await status(server, late, other) == [Status.ASSIGNED, Status.QUEUED]
    server.clock.go_on(4)
    await worker.beat((first.job_id, 1), (late.job_id, 1))
    assert await server.dispatch.give_out(), "it has to be looked at again"
    assert await status(server, late) == [Status.ASSIGNED]
    server.clock.go_on(1.1)
    await server.dispatch.give_out()
    ended = await server.job(late.job_id)
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.EXPIRED)
    assert (late.job_id, 1) in [(order.job_id, order.attempt) for order in worker.sent.items("stop")]
    assert await status(server, other) == [Status.ASSIGNED], "it waits there now"


async def test_how_long_it_may_wait_counts_from_when_it_may_run(server: Core) -> None:
    job = await one(server, run_at=server.clock.now() + 60_000, ttl_sec=5.0)
    for seconds, expired in ((6, False), (58, False), (2, True)):
        server.clock.go_on(seconds)
        found = await server.reads.jobs.overdue(server.clock.now(), 0, 10)
        assert (job.job_id in [late.job_id for late in found.expired]) is expired


async def test_one_that_waits_for_its_part_gives_way_to_a_better_one_and_only_to_that(server: Core) -> None:
    worker, first = await filled(server)
    low = await one(server, cpu=2.0, priority=-100)
    await server.dispatch.give_out()
    lower = await one(server, cpu=1.0, priority=-200)
    await server.dispatch.give_out()
    assert await status(server, low, lower) == [Status.ASSIGNED, Status.QUEUED]
    high, small = await one(server, cpu=2.0, priority=100), await one(server, cpu=0.5, priority=200)
    for _ in range(2):
        await server.dispatch.give_out()
    assert await status(server, high, small, low, lower) == [
        Status.ASSIGNED, Status.ASSIGNED, Status.QUEUED, Status.QUEUED,
    ]  # fmt: skip
    await worker.start((small.job_id, 1))
    await worker.done(small.job_id, 1)
    await worker.done(first.job_id, 1)
    assert [told.tell for told in await worker.start((high.job_id, 1))] == ["go"]


async def test_what_nobody_else_may_have_does_not_stand_in_the_way_of_what_others_may(server: Core) -> None:
    (await ready(server, "stalled", slots=2)).leave()
    other = await ready(server, "other", slots=1)
    declined = await one(server, priority=-1)
    await server.dispatch.give_out()
    await other.release(declined.job_id, 1, "declined", "not here")
    other.leave()
    wanted = await one(server)
    stalled = await ready(server, "stalled", slots=2)
    await server.dispatch.give_out()
    assert stalled.assigned() == [(wanted.job_id, 1), (declined.job_id, 2)]
    other = await ready(server, "other", slots=1)
    server.clock.go_on(20)
    await stalled.beat(*stalled.assigned())
    await other.beat()
    for _ in range(3):
        await server.dispatch.give_out()
    assert other.assigned() == [(wanted.job_id, 2)]
    assert (await server.job(declined.job_id)).attempt == 2
