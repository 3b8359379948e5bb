"""A worker that begins nothing that it is given: it gets no more, its jobs go back, and it is tried again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cmdexec.model.job import Status
from cmdexec.protocol.messages import Heartbeat, Held, Stats
from cmdexec.server.workers.places import Suspicion
from cmdexec.server.workers.waiting import Waits
from tests.unit.server.core import Core, Worker, core

AFTER, TRIAL, TRIAL_MAX = 30.0, 60.0, 200.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Core]:
    async with core(
        tmp_path, suspect_after_sec=AFTER, suspect_trial_sec=TRIAL, suspect_trial_max_sec=TRIAL_MAX
    ) as made:
        yield made


async def given(server: Core, jobs: int = 2, slots: int = 2) -> Worker:
    """A worker that was given jobs, and names them."""
    await server.submit(jobs)
    worker = await server.connect(slots=slots)
    await worker.beat()
    await server.dispatch.give_out()
    assert len(worker.assigned()) == jobs
    return worker


async def pass_time(server: Core, worker: Worker, seconds: float, **more: Any) -> None:
    """It goes on to say that it lives, and names what it has."""
    end = server.clock.seconds + seconds
    while server.clock.seconds < end:
        server.clock.go_on(min(10.0, end - server.clock.seconds))
        await worker.beat(*[(one.job_id, one.attempt) for one in held(server)], **more)
        await server.dispatch.give_out(look_elsewhere=True)


def held(server: Core) -> tuple[Held, ...]:
    live = server.presence.view()["w1"]
    return tuple(Held(job_id=job_id, attempt=attempt) for job_id, attempt, _ in live.held)


def suspect(server: Core) -> bool:
    return server.presence.view()["w1"].suspect


async def test_it_becomes_suspect_and_what_it_was_given_goes_back_at_no_cost(server: Core) -> None:
    worker = await given(server)
    await pass_time(server, worker, AFTER - 1)
    assert not suspect(server)
    await pass_time(server, worker, 2)
    assert suspect(server)
    assert held(server) == ()
    for job_id, _ in worker.assigned():
        job = await server.job(job_id)
        assert (job.status, job.retries_used) == (Status.QUEUED, 0)
    assert {order.job_id for order in worker.sent.items("stop")} == {job_id for job_id, _ in worker.assigned()}
    waits = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    await waits.look([job])
    why = waits(job)
    assert why is not None
    assert why.sentence == "the one worker, w1, begins nothing that it is given"
    assert why.mend == "Look after w1 and start it anew, or add a worker."


async def test_it_is_tried_with_one_job_and_each_trial_that_fails_doubles_the_pause(server: Core) -> None:
    worker = await given(server)
    await pass_time(server, worker, AFTER)
    for pause in (TRIAL, 2 * TRIAL, TRIAL_MAX, TRIAL_MAX):
        before = len(worker.assigned())
        await pass_time(server, worker, pause - 1)
        assert len(worker.assigned()) == before, "not yet"
        await pass_time(server, worker, 1)
        assert len(worker.assigned()) == before + 1, "one, though it has two slots"
        await pass_time(server, worker, AFTER - 1)
        assert len(held(server)) == 1
        await pass_time(server, worker, 1)
        assert held(server) == ()
        assert suspect(server)


async def test_it_is_trusted_as_soon_as_it_begins_something(server: Core) -> None:
    worker = await given(server)
    await pass_time(server, worker, AFTER)
    await pass_time(server, worker, TRIAL)
    (trial,) = held(server)
    await worker.start((trial.job_id, trial.attempt))
    assert not suspect(server)
    await server.dispatch.give_out()
    assert len(held(server)) == 2


async def test_its_next_process_is_trusted_and_its_next_connection_is_not(server: Core) -> None:
    worker = await given(server)
    await pass_time(server, worker, AFTER)
    again = await server.connect(connection=2)
    await again.beat()
    await server.dispatch.give_out()
    assert suspect(server)
    assert again.assigned() == []
    new = await server.connect(instance="i2")
    await new.beat()
    await server.dispatch.give_out()
    assert not suspect(server)
    assert len(new.assigned()) == 2


async def test_what_is_taken_back_for_others_counts_too(server: Core) -> None:
    """With another worker it keeps nothing for long: each time counts, until it is found."""
    worker = await given(server)
    other = await server.connect("w2", "s2", "i2", slots=1)
    for _ in range(4):
        assert not suspect(server)
        await server.submit(4)
        server.clock.go_on(11)
        await other.beat(*[(job, n) for job, n, _ in server.presence.view()["w2"].held])
        await worker.beat(*[(one.job_id, one.attempt) for one in held(server)])
        await server.dispatch.give_out(look_elsewhere=True)
        for job_id, attempt, started in server.presence.view()["w2"].held:
            if not started:
                await other.start((job_id, attempt))
                await other.done(job_id, attempt)
        if suspect(server):
            break
    assert suspect(server)


@pytest.mark.parametrize("keeps", ["trouble", "phase"])
async def test_one_that_says_what_keeps_it_is_not(server: Core, keeps: str) -> None:
    worker = await given(server, jobs=1)
    if keeps == "trouble":
        await pass_time(server, worker, 2 * AFTER, stats=Stats(trouble="its disk is full"))
    else:
        for _ in range(8):
            server.clock.go_on(10)
            named = tuple(Held(job_id=one.job_id, attempt=one.attempt, phase="pulls") for one in held(server))
            await worker.ask("heartbeat", Heartbeat(jobs=named))
            await server.dispatch.give_out(look_elsewhere=True)
    assert not suspect(server)
    assert held(server)


def test_time_in_which_it_had_several_counts_once_and_only_as_long_as_it_was() -> None:
    suspicion = Suspicion()
    for since, now in ((0.0, 10.0), (0.0, 10.0), (5.0, 11.0), (10.5, 12.0)):
        suspicion.leaves(since, now)
    assert suspicion.left_sec == 12.0
    suspicion.asks(20.0)
    suspicion.leaves(15.0, 22.0)
    assert suspicion.left_sec == 2.0
