"""What the clock brings to jobs, and what is forgotten in time."""

from pathlib import Path

from cmdexec.model.job import Reason, Status
from cmdexec.server.jobs import lease_over
from cmdexec.server.maintenance import Forget, Overdue
from cmdexec.store.contract.identity import JoinTokenRow, SessionRow
from tests.unit.server.core import OWNER, Core, core


def overdue(server: Core) -> Overdue:
    return Overdue(reads=server.reads, jobs=server.jobs, runtime=server.runtime, settings=server.settings)


async def test_a_scheduled_job_is_queued_when_its_time_has_come(server: Core) -> None:
    (job,) = await server.submit(run_at=server.clock.now() + 5000)
    loop = overdue(server)
    await loop.sweep()
    assert (await server.job(job.job_id)).status is Status.SCHEDULED
    server.clock.go_on(5)
    await loop.sweep()
    assert (await server.job(job.job_id)).status is Status.QUEUED


async def test_a_job_that_waited_too_long_fails_as_expired(server: Core) -> None:
    (job,) = await server.submit(ttl_sec=60)
    loop = overdue(server)
    server.clock.go_on(59)
    await loop.sweep()
    assert (await server.job(job.job_id)).status is Status.QUEUED
    server.clock.go_on(2)
    await loop.sweep()
    ended = await server.job(job.job_id)
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.EXPIRED)


async def test_a_job_that_was_unknown_for_a_day_is_given_up_but_not_right_after_a_start(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        (job,) = await server.submit()
        worker = await server.connect()
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start((job.job_id, 1))
        await server.jobs.turn(lease_over([job.job_id], "s1"))
        clock = server.clock
    clock.go_on(24 * 3600 + 1)
    async with core(tmp_path, clock=clock, seed=1) as server:
        loop = overdue(server)
        await loop.sweep()
        assert (await server.job(job.job_id)).status is Status.UNKNOWN
        server.clock.go_on(61)
        await loop.sweep()
        ended = await server.job(job.job_id)
        assert (ended.status, ended.reason) == (Status.FAILED, Reason.LOST)


async def test_a_job_is_not_given_up_because_the_wall_clock_jumps(tmp_path: Path) -> None:
    """As when a machine without a clock of its own starts in 1970 and learns the time later."""
    async with core(tmp_path) as server:
        (job,) = await server.submit()
        worker = await server.connect()
        await worker.beat()
        await server.dispatch.give_out()
        await worker.start((job.job_id, 1))
        loop = overdue(server)
        server.clock.go_on(61)
        await server.jobs.turn(lease_over([job.job_id], "s1"))
        server.clock.wall += 56 * 365 * 24 * 3600 * 1000
        for hours in (0, 23):
            server.clock.go_on(hours * 3600)
            await loop.sweep()
            assert (await server.job(job.job_id)).status is Status.UNKNOWN
        server.clock.go_on(3600)
        await loop.sweep()
        assert (await server.job(job.job_id)).reason is Reason.LOST, "and that is the whole of it"


async def test_many_due_jobs_are_taken_in_bounded_batches_until_none_is_left(tmp_path: Path) -> None:
    async with core(tmp_path, sweep_items=4) as server:
        await server.submit(10, run_at=server.clock.now() + 1000)
        server.clock.go_on(2)
        loop = overdue(server)
        looks = 1
        while await loop.sweep():
            looks += 1
        assert looks == 3
        assert (await server.reads.jobs.counts())[Status.QUEUED] == 10


async def test_expired_join_tokens_are_forgotten_after_a_while(tmp_path: Path) -> None:
    async with core(tmp_path, sweep_items=2, join_token_keep_sec=3600.0) as server:
        now, tokens = server.clock.now(), server.reads.join_tokens
        for number in range(5):
            ends = now + (1000 if number else 10_000_000)
            await tokens.insert(JoinTokenRow(f"t{number}", f"hash-{number}", now, ends, "a@test", 1))
        loop = Forget(reads=server.reads, jobs=server.jobs, runtime=server.runtime, settings=server.settings)
        server.clock.go_on(3600)
        await loop.sweep()
        assert len(await tokens.all()) == 5
        server.clock.go_on(2)
        while await loop.sweep():
            pass
        assert [token.join_token_id for token in await tokens.all()] == ["t0"]


async def test_old_submit_keys_and_ended_login_sessions_are_forgotten(tmp_path: Path) -> None:
    async with core(tmp_path, sweep_items=2) as server:
        for number in range(5):
            await server.jobs.submit(OWNER, [(await server.submit())[0].spec], key=f"k{number}", body=b"{}")
            now = server.clock.now()
            await server.reads.sessions.insert(SessionRow(f"jti-{number}", "user", now, now + 1000))
        loop = Forget(reads=server.reads, jobs=server.jobs, runtime=server.runtime, settings=server.settings)
        assert await loop.sweep() is False
        server.clock.go_on(72 * 3600 + 1)
        while await loop.sweep():
            pass
        assert [await server.reads.sessions.get(f"jti-{number}") for number in range(5)] == [None] * 5
        assert await server.jobs.forget_submit_keys(10) == 0, "some keys are left"
        before = await server.reads.jobs.counts()
        await server.jobs.submit(OWNER, [(await server.submit())[0].spec], key="k0", body=b"{}")
        assert (await server.reads.jobs.counts())[Status.QUEUED] == before[Status.QUEUED] + 2
