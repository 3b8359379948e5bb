"""What a worker says over its socket, and what it is told: the way of a job, and each of its answers."""

from cmdexec.model.job import Reason, Status
from cmdexec.protocol.messages import Heartbeat, Held, Released
from tests.unit.server.core import Core, done


async def test_a_job_goes_from_submit_to_its_stored_result(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    assert worker.assigned() == [(job.job_id, 1)]
    assert (await server.job(job.job_id)).status is Status.ASSIGNED

    (told,) = await worker.start((job.job_id, 1))
    assert told.tell == "go"
    assert (await server.job(job.job_id)).status is Status.RUNNING

    told = await worker.done(job.job_id, 1, b"hello\n", inline=b"hello\n")
    assert (told.tell, told.code) == ("ok", None)
    ended = await server.job(job.job_id)
    assert (ended.status, ended.exit_code) == (Status.COMPLETED, 0)
    result = ended.attempts[0].result
    assert result is not None
    assert result.stdout.whole is True
    assert result.stdout.bytes == 6
    assert await server.stored(job.job_id, 1) == b"hello\n"


async def test_nothing_is_given_to_a_worker_before_it_has_said_what_it_holds(server: Core) -> None:
    await server.submit()
    worker = await server.connect()
    await server.dispatch.give_out()
    assert worker.assigned() == []
    await worker.beat()
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 1


async def test_a_lost_answer_to_start_is_go_again_and_a_repeated_result_is_ok_again(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    assert [told.tell for told in await worker.start((job.job_id, 1))] == ["go"]
    assert [told.tell for told in await worker.start((job.job_id, 1))] == ["go"]
    first = await worker.done(job.job_id, 1, b"x", inline=b"x")
    ended = await server.job(job.job_id)
    again = await worker.done(job.job_id, 1, b"x", inline=b"x")
    assert (first.tell, again.tell) == ("ok", "ok")
    assert await server.job(job.job_id) == ended
    assert await server.stored(job.job_id, 1) == b"x"


async def test_another_result_for_the_same_attempt_is_refused_and_kept_in_the_history(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    await worker.done(job.job_id, 1)
    told = await worker.done(job.job_id, 1, exit_code=3)
    assert (told.tell, told.code) == ("stop", "conflict")
    ended = await server.job(job.job_id)
    assert ended.status is Status.COMPLETED
    assert ended.history[-1].event == "superseded"


async def test_all_of_one_message_is_one_write_and_done_makes_way_before_start(server: Core) -> None:
    first, second = await server.submit(2)
    worker = await server.connect(slots=2)
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((first.job_id, 1))
    writes = []
    apply = server.store.jobs_write.apply

    async def counted(changes: object) -> object:
        writes.append(changes)
        return await apply(changes)  # type: ignore[arg-type]

    server.store.jobs_write.apply = counted  # type: ignore[method-assign]
    ended, begun = await worker.ask_all(
        ("done", [done(first.job_id, 1)]), ("start", [Held(job_id=second.job_id, attempt=1)])
    )
    assert len(writes) == 1
    assert [told.tell for told in (*ended, *begun)] == ["ok", "go"]


async def test_results_and_starts_of_another_session_are_stale(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    other = await server.connect("w2", "s2", "i2")
    (told,) = await other.start((job.job_id, 1))
    assert (told.tell, told.code) == ("stop", "stale_attempt")
    told = await other.done(job.job_id, 1)
    assert (told.tell, told.code) == ("stop", "stale_attempt")
    assert (await server.job(job.job_id)).status is Status.ASSIGNED


async def test_an_unknown_job_is_to_be_stopped_and_forgotten(server: Core) -> None:
    worker = await server.connect()
    nowhere = server.runtime.ids.new()
    (told,) = await worker.start((nowhere, 1))
    assert (told.tell, told.code) == ("stop", "not_found")
    assert (await worker.done(nowhere, 1)).code == "not_found"
    beat = await worker.beat((nowhere, 1))
    assert [(held.tell, held.code) for held in beat.held] == [("stop", "not_found")]


async def test_an_attempt_that_was_never_made_goes_back_to_the_queue(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    told = await worker.release(job.job_id, 1, "neverSpawned")
    assert told.tell == "ok"
    await server.dispatch.give_out()
    assert worker.assigned() == [(job.job_id, 1), (job.job_id, 2)]


async def test_a_declined_job_is_rejected_if_nobody_else_is_there_and_else_goes_on(server: Core) -> None:
    first, second = await server.submit(2)
    worker = await server.connect(slots=1)
    await worker.beat()
    await server.dispatch.give_out()
    await worker.release(first.job_id, 1, "declined", "not here")
    refused = await server.job(first.job_id)
    assert (refused.status, refused.reason) == (Status.FAILED, Reason.REJECTED)

    other = await server.connect("w2", "s2", "i2", slots=1)
    await server.dispatch.give_out()
    assert worker.assigned()[-1] == (second.job_id, 1)
    await worker.release(second.job_id, 1, "declined", "nor this")
    await other.beat()
    await server.dispatch.give_out()
    assert other.assigned() == [(second.job_id, 2)]


async def test_a_job_that_every_worker_declines_is_rejected(server: Core) -> None:
    """Those that declined it before are no others that might take it."""
    first, second = await server.connect(), await server.connect("w2", "s2", "i2")
    (job,) = await server.submit()
    for number, worker in enumerate((first, second), 1):
        await worker.beat()
        await server.dispatch.give_out()
        assert worker.assigned() == [(job.job_id, number)]
        await worker.release(job.job_id, number, "declined", "not here")
    refused = await server.job(job.job_id)
    assert (refused.status, refused.reason) == (Status.FAILED, Reason.REJECTED)


async def test_a_cancel_is_told_at_once_and_again_with_each_list(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    ((now, outcome),) = await server.jobs.cancel([job.job_id], "me")
    assert outcome == "asked"
    assert now is not None
    assert now.status is Status.RUNNING
    assert [(order.job_id, order.attempt) for order in worker.sent.items("cancel")] == [(job.job_id, 1)]
    beat = await worker.beat((job.job_id, 1))
    assert [order.job_id for order in beat.cancel] == [job.job_id]
    assert beat.held == ()
    told = await worker.done(job.job_id, 1, exit_code=None, signal=15, reason="cancelled")
    assert told.tell == "ok"
    ended = await server.job(job.job_id)
    assert (ended.status, ended.confirmed) == (Status.CANCELLED, True)


async def test_one_heartbeat_may_start_release_and_name_what_is_held(server: Core) -> None:
    first, second, third = await server.submit(3)
    worker = await server.connect(slots=3)
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((first.job_id, 1))
    (beat,) = await worker.ask(
        "heartbeat",
        Heartbeat(
            jobs=(Held(job_id=first.job_id, attempt=1), Held(job_id=second.job_id, attempt=1)),
            start=(Held(job_id=second.job_id, attempt=1),),
            released=(Released(job_id=third.job_id, attempt=1, why="handedBack"),),
        ),
    )
    assert [told.tell for told in beat.start] == ["go"]
    assert [told.tell for told in beat.released] == ["ok"]
    assert (beat.held, beat.cancel) == ((), ())
    assert (await server.job(third.job_id)).status is Status.QUEUED


async def test_a_cancel_while_the_start_is_asked_lets_nothing_begin(server: Core) -> None:
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    ((_, outcome),) = await server.jobs.cancel([job.job_id], "me")
    assert outcome == "cancelled"
    assert [(order.job_id, order.attempt) for order in worker.sent.items("stop")] == [(job.job_id, 1)]
    (told,) = await worker.start((job.job_id, 1))
    assert told.tell == "stop"
