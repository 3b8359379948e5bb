"""Leases are judged after a lease of silence, and never while the silence may be ours."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Heartbeat
from cmdexec.server.maintenance import Leases
from tests.unit.server.core import Core, Worker, core

SWEEP = 1.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Core]:
    async with core(tmp_path, lease_sec=60, heartbeat_sec=10, lease_sweep_sec=SWEEP) as made:
        yield made


class Judge:
    """The loop, turn by turn."""

    def __init__(self, server: Core) -> None:
        self.server = server
        self.leases = Leases(
            reads=server.reads, jobs=server.jobs, runtime=server.runtime, settings=server.settings
        )  # fmt: skip

    async def go_on(self, seconds: float, *beating: Worker) -> None:
        """Let time pass with the loop running, and these workers alive."""
        for second in range(round(seconds / SWEEP)):
            self.server.clock.go_on(SWEEP)
            if second % 10 == 0:
                for worker in beating:
                    await worker.ask("heartbeat", Heartbeat())
            await self.leases.sweep()


async def running(server: Core, **spec: Any) -> tuple[Worker, str]:
    (job,) = await server.submit(**spec)
    worker = await server.connect()
    await worker.beat()
    await server.dispatch.give_out()
    await worker.start((job.job_id, 1))
    return worker, job.job_id


async def status(server: Core, job_id: str) -> Status:
    return (await server.job(job_id)).status


async def test_a_silent_workers_jobs_are_unknown_after_a_lease_and_assigned_ones_queued(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    worker, held = await running(server)
    (waiting,) = await server.submit()
    await server.dispatch.give_out()
    await judge.go_on(59)
    assert await status(server, held) is Status.RUNNING
    await judge.go_on(3)
    assert await status(server, held) is Status.UNKNOWN
    assert await status(server, waiting.job_id) is Status.QUEUED
    beat = await worker.beat((held, 1))
    assert beat.held == ()
    assert await status(server, held) is Status.RUNNING


async def test_a_revoked_worker_that_may_not_hear_of_it_keeps_what_would_be_run_again_until_its_lease_is_over(
    server: Core,
) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    worker, first = await running(server, on_lost="requeue")
    held = [first]
    for spec in ({}, {"on_lost": "requeue"}):
        (job,) = await server.submit(**spec)
        held.append(job.job_id)
    await server.dispatch.give_out()
    await worker.start((held[1], 1))
    await judge.go_on(20)
    await server.presence.revoke("w1", "ann")
    assert [await status(server, job_id) for job_id in held] == [Status.RUNNING, Status.UNKNOWN, Status.QUEUED]
    await judge.go_on(39)
    assert await status(server, first) is Status.RUNNING
    await judge.go_on(3)
    assert await status(server, first) is Status.SCHEDULED


async def test_a_worker_that_beats_keeps_its_jobs(server: Core) -> None:
    judge = Judge(server)
    worker, held = await running(server)
    await judge.go_on(200, worker)
    assert await status(server, held) is Status.RUNNING


async def test_a_requeue_job_is_run_again(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    _, lost = await running(server, on_lost="requeue")
    await judge.go_on(62)
    job = await server.job(lost)
    assert (job.status, job.lost_used) == (Status.SCHEDULED, 1)


async def test_no_lease_is_judged_for_one_lease_after_the_start(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        _, held = await running(server)
    async with core(tmp_path, seed=1) as server:
        judge = Judge(server)
        await judge.go_on(59)
        assert await status(server, held) is Status.RUNNING
        await judge.go_on(3)
        assert await status(server, held) is Status.UNKNOWN


async def test_no_lease_is_judged_for_one_lease_after_a_gap_in_the_loop(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    _, held = await running(server)
    await judge.go_on(10)
    server.clock.go_on(600)
    await judge.leases.sweep()
    await judge.go_on(58)
    assert await status(server, held) is Status.RUNNING
    await judge.go_on(3)
    assert await status(server, held) is Status.UNKNOWN


async def test_no_lease_is_judged_for_one_lease_after_a_gap_in_writes(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    _, held = await running(server)
    commit = server.reads.health.commit

    async def away() -> None:
        raise Unavailable("store_away", "The disk does not answer.")

    server.reads.health.commit = away  # type: ignore[method-assign]
    await judge.go_on(120)
    assert await status(server, held) is Status.RUNNING
    server.reads.health.commit = commit  # type: ignore[method-assign]
    await judge.go_on(59)
    assert await status(server, held) is Status.RUNNING
    await judge.go_on(3)
    assert await status(server, held) is Status.UNKNOWN


async def test_no_lease_is_judged_by_what_the_store_answers_when_it_is_back(server: Core) -> None:
    """It was asked before it went, and answers after it came: of a time in which no lease could be renewed."""
    judge = Judge(server)
    await judge.go_on(61)
    _, held = await running(server)
    lapsed = server.reads.workers.lapsed
    asked: list[Any] = []

    async def back_after_long(*of: Any) -> Any:
        asked.append(of)
        if len(asked) == 1:
            server.clock.go_on(600)
        return await lapsed(*of)

    server.reads.workers.lapsed = back_after_long  # type: ignore[method-assign]
    await judge.go_on(59)
    assert len(asked) == 2, "there was somebody to judge, and since then an amnesty"
    assert await status(server, held) is Status.RUNNING
    assert not (await server.reads.workers.get(["w1"]))[0].lost  # type: ignore[union-attr]
    await judge.go_on(3)
    assert await status(server, held) is Status.UNKNOWN


async def test_a_lease_that_was_judged_is_not_judged_again_until_it_is_renewed(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    worker, held = await running(server)
    await judge.go_on(62)
    assert (await server.reads.workers.get(["w1"]))[0].lost  # type: ignore[union-attr]
    rev = (await server.job(held)).rev
    await judge.go_on(30)
    assert (await server.job(held)).rev == rev
    await worker.beat((held, 1))
    assert not (await server.reads.workers.get(["w1"]))[0].lost  # type: ignore[union-attr]
    await judge.go_on(62)
    assert await status(server, held) is Status.UNKNOWN


async def test_all_jobs_of_a_large_worker_are_judged(tmp_path: Path) -> None:
    async with core(tmp_path, sweep_items=3) as server:
        judge = Judge(server)
        await judge.go_on(61)
        jobs = await server.submit(10)
        worker = await server.connect(slots=10)
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start(*worker.assigned())
        await judge.go_on(62)
        assert {await status(server, job.job_id) for job in jobs} == {Status.UNKNOWN}


async def test_jobs_of_an_older_session_are_judged_with_their_worker(server: Core) -> None:
    """The server died after it had written the new session down, and before it had buried what the old one held."""
    judge = Judge(server)
    await judge.go_on(61)
    worker, held = await running(server)
    worker.leave()
    (row,) = await server.reads.workers.get(["w1"])
    assert row is not None
    await server.reads.workers.register(msgspec.structs.replace(row, session="s2", instance_id="i2"))
    await judge.go_on(62)
    assert await status(server, held) is Status.UNKNOWN
    assert (await server.reads.workers.get(["w1"]))[0].lost  # type: ignore[union-attr]


async def test_a_worker_that_is_heard_of_while_it_is_judged_keeps_its_jobs_and_is_judged_again(server: Core) -> None:
    judge = Judge(server)
    await judge.go_on(61)
    worker, held = await running(server)
    await judge.go_on(59)
    held_by = server.reads.jobs.held_by

    async def meanwhile(*asked: Any) -> Any:
        server.reads.jobs.held_by = held_by  # type: ignore[method-assign]
        assert (await worker.beat((held, 1))).lease_sec == 60
        return await held_by(*asked)

    server.reads.jobs.held_by = meanwhile  # type: ignore[method-assign]
    await judge.go_on(3)
    assert server.reads.jobs.held_by is held_by, "it was not judged"
    assert await status(server, held) is Status.RUNNING
    assert not (await server.reads.workers.get(["w1"]))[0].lost  # type: ignore[union-attr]
    await judge.go_on(62)
    assert await status(server, held) is Status.UNKNOWN
