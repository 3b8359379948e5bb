"""What a worker does not begin although it could goes to another; what one worker avoids goes to the next that can."""

from cmdexec.model.job import Status
from cmdexec.protocol.messages import Stats
from tests.unit.server.core import Core, Worker


async def ready(server: Core, name: str, slots: int) -> Worker:
    worker = await server.connect(name, f"s-{name}", f"i-{name}", slots=slots)
    await worker.beat()
    return worker


async def stalled(server: Core, jobs: int = 2) -> Worker:
    """A worker that was given jobs, names them, and begins none."""
    await server.submit(jobs)
    worker = await ready(server, "stalled", jobs)
    await server.dispatch.give_out()
    assert len(worker.assigned()) == jobs
    return worker


async def test_what_a_worker_with_free_slots_does_not_begin_goes_to_another_after_a_second(server: Core) -> None:
    first = await stalled(server)
    other = await ready(server, "other", 2)
    server.clock.go_on(0.9)
    await first.beat(*first.assigned())
    assert await server.dispatch.give_out(), "it has to be looked at again"
    assert other.assigned() == []
    server.clock.go_on(0.3)
    await first.beat(*first.assigned())
    await server.dispatch.give_out()
    await server.dispatch.give_out()
    assert sorted(other.assigned()) == sorted((job_id, 2) for job_id, _ in first.assigned())
    assert {order.job_id for order in first.sent.items("stop")} == {job_id for job_id, _ in first.assigned()}


async def test_a_job_that_is_on_its_way_to_a_far_worker_stays_with_it(server: Core) -> None:
    """An answer takes four seconds there; that is waited for twice over, and no longer."""
    await server.submit(1)
    far = await ready(server, "far", 1)
    await far.beat(stats=Stats(round_trip_sec=4.0))
    await server.dispatch.give_out()
    other = await ready(server, "other", 1)
    server.clock.go_on(8.9)
    assert await server.dispatch.give_out(), "it has to be looked at again"
    assert other.assigned() == []
    server.clock.go_on(0.3)
    await server.dispatch.give_out()
    await server.dispatch.give_out()
    assert other.assigned() == [(far.assigned()[0][0], 2)]


async def test_no_more_is_taken_than_the_others_can_begin(server: Core) -> None:
    first = await stalled(server, 3)
    other = await ready(server, "other", 1)
    server.clock.go_on(1.1)
    await server.dispatch.give_out()
    await server.dispatch.give_out()
    assert other.assigned() == [(first.assigned()[-1][0], 2)]
    assert len(server.presence.view()["stalled"].held) == 2


async def test_a_worker_alone_keeps_what_it_does_not_begin(server: Core) -> None:
    alone = await stalled(server, 1)
    more = await server.connect("stalled", "s-stalled", "i-2", slots=3)
    await more.beat(*alone.assigned())
    server.clock.go_on(20)
    await more.beat(*alone.assigned())
    await server.dispatch.give_out()
    assert more.sent.items("stop") == []
    assert (await server.job(alone.assigned()[0][0])).attempt == 1


async def test_a_worker_that_does_not_begin_gets_no_more_for_a_heartbeat(server: Core) -> None:
    first = await stalled(server)
    await ready(server, "other", 2)
    server.clock.go_on(1.1)
    await server.dispatch.give_out()
    await server.submit(2)
    await server.dispatch.give_out()
    assert len(first.assigned()) == 2, "its slots are free, and it does not use them"
    server.clock.go_on(10)
    await first.beat()
    await server.dispatch.give_out()
    assert len(first.assigned()) > 2


async def test_a_worker_that_asks_for_a_start_gets_jobs_again_at_once(server: Core) -> None:
    first = await stalled(server, 3)
    await ready(server, "other", 1)
    server.clock.go_on(1.1)
    await server.dispatch.give_out()
    await first.start(first.assigned()[0])
    await server.submit(3)
    await server.dispatch.give_out()
    assert len(first.assigned()) == 4


async def test_a_job_that_no_worker_begins_does_not_go_to_and_fro(server: Core) -> None:
    first = await stalled(server, 1)
    other = await ready(server, "other", 1)
    (job_id, _), *_ = first.assigned()
    for _ in range(40):
        server.clock.go_on(0.5)
        await server.dispatch.give_out()
    job = await server.job(job_id)
    assert other.assigned()[0] == (job_id, 2)
    assert job.attempt <= 4, "once a heartbeat at the most"


async def test_a_worker_that_comes_gets_at_once_what_another_one_declined(server: Core) -> None:
    await server.submit(1)
    first = await ready(server, "first", 2)
    other = await server.connect("other", "s-other", "i-other", slots=2)
    await server.dispatch.give_out()
    (job_id, attempt) = first.assigned()[0]
    await first.release(job_id, attempt, "declined")
    await server.dispatch.give_out()
    assert (await server.job(job_id)).status is Status.QUEUED
    await other.beat()
    await server.dispatch.give_out()
    assert other.assigned() == [(job_id, 2)]


async def test_a_slot_that_comes_free_gets_at_once_what_another_worker_declined(server: Core) -> None:
    (running,) = await server.submit(1)
    busy = await ready(server, "busy", 1)
    await server.dispatch.give_out()
    await busy.start((running.job_id, 1))
    await server.submit(1)
    first = await ready(server, "first", 2)
    await server.dispatch.give_out()
    (job_id, attempt) = first.assigned()[0]
    await first.release(job_id, attempt, "declined")
    await server.dispatch.give_out()
    await busy.done(running.job_id, 1)
    await server.dispatch.give_out()
    assert busy.assigned()[-1] == (job_id, 2)


async def test_a_worker_without_room_for_a_process_fails_no_job_and_gets_no_more_for_a_heartbeat(server: Core) -> None:
    roomless = await ready(server, "roomless", 1)
    (job,) = await server.submit()
    for attempt in range(1, 9):
        await server.dispatch.give_out()
        assert roomless.assigned()[-1] == (job.job_id, attempt)
        await roomless.start((job.job_id, attempt))
        await roomless.release(job.job_id, attempt, "noRoom", "no folder could be made for it")
        await server.dispatch.give_out()
        assert len(roomless.assigned()) == attempt, "it gets none for a while"
        server.clock.go_on(server.settings.heartbeat_sec)
        await roomless.beat()
    kept = await server.job(job.job_id)
    assert (kept.status, kept.never_spawned) == (Status.QUEUED, 0)
    assert {line.note for line in kept.history if line.event == "never_spawned"} == {"no folder could be made for it"}


async def test_what_one_worker_has_no_room_for_goes_to_another(server: Core) -> None:
    roomless = await ready(server, "roomless", 2)
    (job,) = await server.submit()
    await server.dispatch.give_out()
    await roomless.start((job.job_id, 1))
    await roomless.release(job.job_id, 1, "noRoom")
    other = await ready(server, "other", 1)
    await server.dispatch.give_out()
    assert (roomless.assigned(), other.assigned()) == ([(job.job_id, 1)], [(job.job_id, 2)])
