"""The shell around `decide`: conflicts are decided again, hints are never believed unseen, what is written is told."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.decision import Change, NoChange
from cmdexec.model.events import Cancel
from cmdexec.model.job import Job, Status
from cmdexec.notify.contract import JobsChanged, JobsWaiting, OutputGrew, TellWorker
from cmdexec.protocol.messages import Held
from cmdexec.server.jobs import Ask, Holder, lease_over, recall, report, requeue, resume, start
from cmdexec.server.jobs.shell import RETRIES
from cmdexec.store.contract.jobs_write import JobWrite
from tests.unit.server.core import Core, core, done

ME = Holder("w1", "s1")


def held(job: Job) -> Held:
    return Held(job_id=job.job_id, attempt=job.attempt)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Core, Core]]:
    """Two servers over one store."""
    async with core(tmp_path) as one, core(tmp_path, clock=one.clock, store=one.store, seed=1) as other:
        yield one, other


async def claimed(server: Core) -> Job:
    await server.submit()
    (job,) = await server.claim(ME)
    return job


async def test_two_servers_that_start_the_same_attempt_both_say_go_and_one_begins_it(two: tuple[Core, Core]) -> None:
    one, other = two
    job = await claimed(one)
    await other.jobs.turn([resume(ME, held(job))])
    first, second = await one.jobs.turn([start(ME, held(job))]), await other.jobs.turn([start(ME, held(job))])
    assert isinstance(first[0].decision, Change)
    assert isinstance(second[0].decision, NoChange)
    assert [outcome.tell for outcome in (*first, *second)] == ["go", "go"]
    assert len((await one.job(job.job_id)).attempts) == 1


async def test_what_another_server_changed_is_read_and_decided_again(two: tuple[Core, Core]) -> None:
    one, other = two
    job = await claimed(one)
    await other.jobs.turn(recall([job.job_id]))
    (outcome,) = await one.jobs.turn([start(ME, held(job))])
    assert outcome.tell == "stop"
    assert (await one.job(job.job_id)).status is Status.QUEUED


async def test_an_old_hint_does_not_answer_by_itself(two: tuple[Core, Core]) -> None:
    """One server remembers the job as running; another has cancelled it. `resume` changes nothing as far as the first
    one knows, so it has to look before it answers that all is well."""
    one, other = two
    job = await claimed(one)
    await one.jobs.turn([start(ME, held(job))])
    await other.jobs.cancel([job.job_id], "me")
    (outcome,) = await one.jobs.turn([resume(ME, held(job))])
    assert outcome.tell == "cancel"


async def test_a_conflict_of_one_job_holds_up_no_other(two: tuple[Core, Core]) -> None:
    one, other = two
    await one.submit(3)
    jobs = await one.claim(ME, limit=3)
    await other.jobs.turn(recall([jobs[1].job_id]))
    outcomes = await one.jobs.turn([start(ME, held(job)) for job in jobs])
    assert [outcome.tell for outcome in outcomes] == ["go", "stop", "go"]


async def test_events_of_one_job_in_one_turn_are_carried_out_in_their_order(server: Core) -> None:
    job = await claimed(server)
    measure = await server.measures.measure(job.job_id, job.attempt)
    began, ended, again = await server.jobs.turn(
        [
            start(ME, held(job)),
            report(ME, done(job.job_id, 1, b"x", inline=b"x"), measure, 100),
            Ask(job.job_id, Cancel("me")),
        ]
    )
    assert (began.tell, ended.tell, again.tell) == ("go", "ok", "too_late")
    stored = await server.job(job.job_id)
    assert [line.event for line in stored.history] == ["submit", "claim", "start", "result"]
    assert await server.stored(job.job_id, 1) == b"x"


async def test_events_after_a_conflict_are_decided_again_as_well(two: tuple[Core, Core]) -> None:
    one, other = two
    job = await claimed(one)
    await other.jobs.cancel([job.job_id], "someone")
    measure = await one.measures.measure(job.job_id, job.attempt)
    outcomes = await one.jobs.turn([start(ME, held(job)), report(ME, done(job.job_id, 1), measure, 100)])
    assert [outcome.tell for outcome in outcomes] == ["stop", "drop"]
    stored = await one.job(job.job_id)
    assert (stored.status, stored.attempts) == (Status.CANCELLED, ())


async def test_what_changes_between_reading_and_writing_is_decided_on_the_new_state(two: tuple[Core, Core]) -> None:
    one, other = two
    (job,) = await one.submit()
    apply = one.store.jobs_write.apply

    async def overtaken(writes: Any) -> Any:
        one.store.jobs_write.apply = apply  # type: ignore[method-assign]
        await other.claim(ME)
        return await apply(writes)

    one.store.jobs_write.apply = overtaken  # type: ignore[method-assign]
    ((now, outcome),) = await one.jobs.cancel([job.job_id], "me")
    assert (outcome, now) == ("cancelled", await one.job(job.job_id))
    assert now is not None
    assert [line.event for line in now.history] == ["submit", "claim", "cancel"]


async def test_a_job_that_changes_under_every_try_is_given_up_after_five(server: Core) -> None:
    job = await claimed(server)
    apply, get = server.store.jobs_write.apply, server.reads.jobs.get
    tries = []

    async def overtaken(writes: Sequence[Any]) -> Any:
        """Somebody else is always faster."""
        tries.append(writes)
        for write in writes:
            (current,) = await get([write.job.job_id])
            assert current is not None
            await apply([_touched(current, server)])
        return await apply(writes)

    server.store.jobs_write.apply = overtaken  # type: ignore[method-assign]
    (outcome,) = await server.jobs.turn([start(ME, held(job))])
    assert outcome.overloaded
    assert len(tries) == 1 + RETRIES
    with pytest.raises(Unavailable) as crowded:
        await server.jobs.cancel([job.job_id], "me")
    assert (crowded.value.code, crowded.value.status) == ("overloaded", 503)


def _touched(job: Job, server: Core) -> Any:
    return JobWrite(msgspec.structs.replace(job, rev=job.rev + 1), job.rev, server.runtime.ids.new())


async def test_after_an_outcome_that_is_not_known_the_store_is_asked_how_it_stands(server: Core) -> None:
    job = await claimed(server)
    apply = server.store.jobs_write.apply

    async def lost(writes: Any) -> Any:
        await apply(writes)
        raise Unavailable("store_away", "The answer was lost.")

    server.store.jobs_write.apply = lost  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await server.jobs.turn([start(ME, held(job))])
    server.store.jobs_write.apply = apply  # type: ignore[method-assign]
    (outcome,) = await server.jobs.turn([start(ME, held(job))])
    assert outcome.tell == "go"
    assert isinstance(outcome.decision, NoChange), "it had been written"
    assert len((await server.job(job.job_id)).attempts) == 1


async def test_the_holder_is_told_and_the_queue_announced(server: Core) -> None:
    told: list[TellWorker] = []
    waiting: list[JobsWaiting] = []
    server.notify.listen(TellWorker, told.append)
    job = await claimed(server)
    server.notify.listen(JobsWaiting, waiting.append)
    await server.jobs.turn(recall([job.job_id]))
    assert told == [TellWorker("w1", "stop", ((job.job_id, 1),))]
    assert waiting == [JobsWaiting(("",))]
    (again,) = await server.claim(ME)
    await server.jobs.turn([start(ME, held(again))])
    await server.jobs.cancel([job.job_id], "me")
    await server.jobs.cancel([job.job_id], "me")
    assert told[1:] == [TellWorker("w1", "cancel", ((job.job_id, 2),))] * 2


async def test_the_last_output_is_told_before_the_end(server: Core) -> None:
    heard: list[object] = []
    job = await claimed(server)
    await server.jobs.turn([start(ME, held(job))])
    server.notify.listen(OutputGrew, heard.append)
    server.notify.listen(JobsChanged, heard.append)
    measure = server.measures.known(job.job_id, 1)
    assert measure is not None
    await server.jobs.turn([report(ME, done(job.job_id, 1, b"x", inline=b"x"), measure, 100)])
    ended = await server.job(job.job_id)
    assert heard == [OutputGrew(job.job_id, 1, "stdout", 1, b"x"), JobsChanged((job.job_id,), (ended,))]
    assert server.measures.known(job.job_id, 1) is None, "the hash of an ended attempt is kept"


async def test_a_stale_result_stores_none_of_its_output(server: Core) -> None:
    job = await claimed(server)
    await server.jobs.turn([start(ME, held(job))])
    other = Holder("w2", "s2")
    measure = server.measures.known(job.job_id, 1)
    assert measure is not None
    (outcome,) = await server.jobs.turn([report(other, done(job.job_id, 1, b"x", inline=b"x"), measure, 100)])
    assert outcome.refusal is not None
    assert outcome.refusal.code == "stale_attempt"
    assert await server.stored(job.job_id, 1) == b""
    assert (await server.job(job.job_id)).history[-1].event == "superseded"


async def test_an_unknown_job_is_resumed_by_its_worker_or_requeued_by_a_person(server: Core) -> None:
    job = await claimed(server)
    await server.jobs.turn([start(ME, held(job))])
    await server.jobs.turn(lease_over([job.job_id], "s1"))
    assert (await server.job(job.job_id)).status is Status.UNKNOWN
    (outcome,) = await server.jobs.turn([resume(ME, held(job))])
    assert outcome.tell == "ok"
    assert (await server.job(job.job_id)).status is Status.RUNNING
    await server.jobs.turn(lease_over([job.job_id], "s1"))
    (refused,) = await server.jobs.turn([requeue(job.job_id, "me", accept_duplicate=False)])
    assert refused.refusal is not None
    await server.jobs.turn([requeue(job.job_id, "me", accept_duplicate=True)])
    assert (await server.job(job.job_id)).status is Status.QUEUED


async def test_cancel_says_of_each_what_happened(server: Core) -> None:
    running = await claimed(server)
    await server.jobs.turn([start(ME, held(running))])
    (waiting,) = await server.submit()
    nowhere = server.runtime.ids.new()
    ids = [running.job_id, waiting.job_id, nowhere, waiting.job_id]
    outcomes = await server.jobs.cancel(ids, "me")
    assert [what for _, what in outcomes] == ["asked", "cancelled", "not_found", "too_late"]
    assert [job.status if job else None for job, _ in outcomes] == [
        Status.RUNNING, Status.CANCELLED, None, Status.CANCELLED,
    ]  # fmt: skip


async def test_the_memory_of_jobs_is_bounded_and_forgets_what_has_ended(tmp_path: Path) -> None:
    """By bytes: jobs of 100 KB each, of which three have room."""
    async with core(tmp_path, job_cache_bytes=350_000) as server:
        await server.submit(5, command=("true", "x" * 100_000))
        jobs = await server.claim(ME, limit=5)
        memory = server.jobs._shell.memory
        assert [job.job_id for job in jobs if memory.recall(job.job_id)] == [job.job_id for job in jobs[2:]]
        outcomes = await server.jobs.turn([start(ME, held(job)) for job in jobs])
        assert [outcome.tell for outcome in outcomes] == ["go"] * 5
        assert len(memory) == 3
        assert 300_000 < memory.size <= 350_000
        measures = [await server.measures.measure(job.job_id, 1) for job in jobs]
        await server.jobs.turn(
            [report(ME, done(job.job_id, 1), measure, 9) for job, measure in zip(jobs, measures, strict=True)]
        )
        assert (len(memory), memory.size) == (0, 0)


async def test_a_job_that_was_looked_up_is_remembered(server: Core) -> None:
    """A heartbeat looks at all that it lists; what comes next for these jobs needs no reading."""
    job = await claimed(server)
    await server.jobs.turn([start(ME, held(job))])
    await server.jobs.turn([resume(ME, held(job))])
    reads = []
    get = server.reads.jobs.get

    async def counted(job_ids: Sequence[str]) -> Any:
        reads.append(job_ids)
        return await get(job_ids)

    server.reads.jobs.get = counted  # type: ignore[method-assign]
    measure = server.measures.known(job.job_id, 1)
    assert measure is not None
    (outcome,) = await server.jobs.turn([report(ME, done(job.job_id, 1), measure, 9)])
    assert (outcome.tell, reads) == ("ok", [])
