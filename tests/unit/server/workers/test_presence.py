"""Who owns a session, what a reconnect finds again, and what counts as dead."""

from typing import Any

import pytest

from cmdexec.errors import Conflict, Refused, Unavailable
from cmdexec.link.socket import Close
from cmdexec.model.job import Reason, Status
from cmdexec.notify.contract import Revoked
from cmdexec.protocol.messages import Failure, Register
from cmdexec.server.jobs import recall
from tests.unit.server.core import Core, Sent, Worker, eventually


async def given(server: Core, *, slots: int = 2, jobs: int = 1) -> tuple[Worker, list[str]]:
    """A worker that was given so many jobs."""
    ids = [job.job_id for job in await server.submit(jobs)]
    worker = await server.connect(slots=slots)
    await worker.beat()
    await server.dispatch.give_out()
    assert len(worker.assigned()) == jobs
    return worker, ids


async def test_a_frame_before_register_is_refused(server: Core) -> None:
    link = server.presence.connect("w1", send=Sent())
    with pytest.raises(Refused, match="register"):
        await link.frames([("start", 1, ())])


async def test_the_newest_process_owns_the_session_and_the_older_is_told(server: Core) -> None:
    older = await server.connect(instance="i1")
    newer = await server.connect(instance="i2")
    assert older.sent.ended is not None
    assert older.sent.ended[0] == Close.REPLACED
    assert newer.sent.ended is None
    with pytest.raises(Conflict, match="taken its place"):
        await server.connect(instance="i1")
    assert server.presence.view().keys() == {"w1"}


async def test_the_same_process_may_come_again_and_keeps_what_it_has(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await worker.start((job_id, 1))
    worker.leave()
    assert server.presence.view() == {}
    again = await server.connect()
    beat = await again.beat((job_id, 1))
    assert beat.held == ()
    assert server.presence.view()["w1"].held == ((job_id, 1, True),)
    assert (await again.done(job_id, 1)).tell == "ok"


async def test_an_assignment_lost_with_the_connection_is_sent_again(server: Core) -> None:
    worker, (job_id,) = await given(server)
    worker.leave()
    again = await server.connect()
    await again.beat()
    assert await eventually(again.assigned, "it was not sent again") == [(job_id, 1)]
    (told,) = await again.start((job_id, 1))
    assert told.tell == "go"


async def test_an_assignment_that_is_not_listed_twice_goes_back_to_the_queue(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await worker.beat()
    assert (await server.job(job_id)).missing == 0, "the list may have crossed with the assignment"
    server.clock.go_on(60)
    await worker.beat()
    assert (await server.job(job_id)).missing == 1
    await worker.beat()
    job = await server.job(job_id)
    assert (job.status, job.attempt) == (Status.QUEUED, 1)


async def test_a_list_that_names_what_was_given_later_was_made_after_what_was_given_before(server: Core) -> None:
    worker, (first,) = await given(server, slots=3)
    (second,) = await server.submit()
    await server.dispatch.give_out()
    await worker.beat((second.job_id, 1))
    assert (await server.job(first)).missing == 1
    (third,) = await server.submit()
    await server.dispatch.give_out()
    await worker.beat((second.job_id, 1))
    assert (await server.job(first)).status is Status.QUEUED
    assert (await server.job(third.job_id)).missing == 0, "it may have crossed with the list"
    await worker.start((third.job_id, 1))
    await worker.beat((second.job_id, 1))
    assert (await server.job(third.job_id)).missing == 1


async def test_an_older_attempt_in_the_list_does_not_stand_for_the_newer(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await server.jobs.turn(recall([job_id]))
    await server.dispatch.give_out()
    assert worker.assigned() == [(job_id, 1), (job_id, 2)]
    server.clock.go_on(60)
    beat = await worker.beat((job_id, 1))
    assert [(held.attempt, held.tell, held.code) for held in beat.held] == [(1, "stop", "stale_attempt")]
    assert (await server.job(job_id)).missing == 1


async def test_a_list_that_names_two_attempts_of_a_job_has_both(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await server.jobs.turn(recall([job_id]))
    await server.dispatch.give_out()
    await worker.start((job_id, 2))
    for _ in range(3):
        beat = await worker.beat((job_id, 2), (job_id, 1))
        assert [(held.attempt, held.tell) for held in beat.held] == [(1, "stop")]
    job = await server.job(job_id)
    assert (job.status, job.missing) == (Status.RUNNING, 0)


async def test_a_list_that_has_it_again_ends_the_count(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await worker.start((job_id, 1))
    await worker.beat()
    assert (await server.job(job_id)).missing == 1
    await worker.beat((job_id, 1))
    assert (await server.job(job_id)).missing == 0
    await worker.beat()
    assert (await server.job(job_id)).status is Status.RUNNING


async def test_a_running_attempt_that_is_not_listed_twice_is_dead(server: Core) -> None:
    worker, (job_id,) = await given(server)
    await worker.start((job_id, 1))
    await worker.beat()
    await worker.beat()
    job = await server.job(job_id)
    assert (job.status, job.reason) == (Status.FAILED, Reason.WORKER)


async def test_a_new_spool_means_that_what_the_old_one_held_is_dead(server: Core) -> None:
    worker, ids = await given(server, jobs=2)
    await worker.start((ids[0], 1))
    worker.leave()
    await server.connect(session="s2", instance="i2")
    running, assigned = [await server.job(job_id) for job_id in ids]
    assert (running.status, running.reason) == (Status.FAILED, Reason.WORKER)
    assert assigned.status is Status.QUEUED


async def test_jobs_claimed_while_the_worker_leaves_are_found_again(server: Core) -> None:
    """The answer of a claim comes for a connection that has ended, after the next one has looked what it holds."""
    (job,) = await server.submit()
    worker = await server.connect()
    await worker.beat()
    claim = server.jobs.claim
    held: list[Any] = []

    async def late(*args: Any, **named: Any) -> Any:
        worker.leave()
        held.append(await server.connect())
        return await claim(*args, **named)

    server.jobs.claim = late  # type: ignore[method-assign]
    await server.dispatch.give_out()
    server.jobs.claim = claim  # type: ignore[method-assign]
    (again,) = held
    assert again.assigned() == []
    await again.beat()
    assert await eventually(again.assigned, "it was not sent") == [(job.job_id, 1)]


async def test_a_protocol_that_is_not_spoken_is_refused_with_what_to_do(server: Core) -> None:
    link = server.presence.connect("w1", send=Sent())
    with pytest.raises(Refused) as refused:
        await link.register(Register(protocol="cmdexec.v9"))
    assert refused.value.code == "protocol_mismatch"
    assert "Update" in (refused.value.mend or "")


async def test_a_credential_speaks_for_its_own_worker_alone(server: Core) -> None:
    sent = Sent()
    with pytest.raises(Refused) as refused:
        await server.presence.connect("w1", send=sent).register(Register(worker_id="w2"))
    assert refused.value.code == "forbidden"
    (told,) = sent.items("error")
    assert (told.message, told.field) == ("This credential is that of worker w1, not of w2.", "workerId")
    assert "WORKER_ID" in told.mend
    assert sent.ended == (Close.FORBIDDEN, told.message)
    assert await server.reads.workers.get(["w1", "w2"]) == [None, None]


async def test_a_revoked_worker_is_cut_off_and_does_not_come_back(server: Core) -> None:
    worker = await server.connect()
    await server.reads.workers.revoke("w1")
    server.notify.publish(Revoked(worker_id="w1"))
    assert worker.sent.ended is not None
    assert worker.sent.ended[0] == Close.FORBIDDEN
    with pytest.raises(Refused, match="revoked"):
        await server.connect(instance="i2")


@pytest.mark.parametrize("moment", ["before its commit", "when its row is written"])
async def test_a_job_that_is_on_its_way_to_a_worker_when_that_is_revoked_goes_to_another(
    server: Core, moment: str
) -> None:
    worker = await server.connect(slots=2)
    await worker.beat()
    (job,) = await server.submit(1)
    claim, revoke_of = server.store.jobs_write.claim, server.reads.credentials.revoke_of

    async def late(wanted: Any, _foreseen: Any = None) -> Any:
        server.store.jobs_write.claim = claim  # type: ignore[method-assign]
        await server.presence.revoke("w1", "ann")
        return await claim(wanted)

    async def meanwhile(worker_id: str) -> Any:
        await server.dispatch.give_out()
        return await revoke_of(worker_id)

    if moment == "before its commit":
        server.store.jobs_write.claim = late  # type: ignore[method-assign]
        await server.dispatch.give_out()
    else:
        server.reads.credentials.revoke_of = meanwhile  # type: ignore[method-assign]
        await server.presence.revoke("w1", "ann")
        assert worker.assigned() == []
    assert worker.sent.ended == (Close.FORBIDDEN, "This worker was revoked by ann.")

    def free() -> bool:
        hint = server.jobs.recall(job.job_id)
        return hint is None or hint.status is Status.QUEUED

    await eventually(free, "nobody has it")
    other = await server.connect("w2", "s2", slots=2)
    await other.beat()
    await server.dispatch.give_out()
    assert [job_id for job_id, _ in other.assigned()] == [job.job_id]


async def test_a_heartbeat_renews_the_lease_and_says_how_long_it_is(server: Core) -> None:
    worker = await server.connect()
    server.clock.go_on(59)
    beat = await worker.beat()
    assert (beat.lease_sec, beat.heartbeat_sec) == (60, 10)
    server.clock.go_on(59)
    assert await server.reads.workers.overdue(60) == []
    server.clock.go_on(2)
    assert [row.worker_id for row in await server.reads.workers.overdue(60)] == ["w1"]


async def test_a_renewal_that_the_store_did_not_take_is_not_acknowledged(server: Core) -> None:
    worker = await server.connect()

    async def away(_: object) -> None:
        raise Unavailable("store_away", "The store is away.", retry_after=3)

    renew, server.reads.workers.renew = server.reads.workers.renew, away  # type: ignore[method-assign]
    answer: Any = await worker.beat()
    assert isinstance(answer, Failure)
    assert (answer.code, answer.retry_after_sec) == ("store_away", 3)
    server.reads.workers.renew = renew  # type: ignore[method-assign]
    assert (await worker.beat()).lease_sec == 60


async def test_what_could_not_be_written_is_to_be_asked_again(server: Core) -> None:
    worker, (job_id,) = await given(server)
    apply = server.store.jobs_write.apply

    async def away(_: object) -> Any:
        raise Unavailable("store_away", "The store is away.")

    server.store.jobs_write.apply = away  # type: ignore[method-assign]
    (told,) = await worker.start((job_id, 1))
    assert told.tell == "again"
    server.store.jobs_write.apply = apply  # type: ignore[method-assign]
    (told,) = await worker.start((job_id, 1))
    assert told.tell == "go"


async def test_workers_are_told_when_the_server_goes_away(server: Core) -> None:
    worker = await server.connect()
    server.presence.drain()
    assert len(worker.sent.items("drain")) == 1
