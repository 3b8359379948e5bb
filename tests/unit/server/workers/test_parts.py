"""Jobs that ask for a part of the machine: who gets them, and what those that wait for theirs cost the others."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cmdexec.model.job import Job, Reason, Status
from cmdexec.model.matching import matches
from cmdexec.protocol.messages import AskJobs, Heartbeat, Register
from cmdexec.server.jobs import recall
from cmdexec.server.workers import PollingMember, Waits
from tests.unit.server.core import Core, Worker, eventually


async def ready(server: Core, name: str, slots: int = 4, cpu: float = 1.0, ram_mb: int = 1024, **more: Any) -> Worker:
    said = {"limits": "watched", "instance": f"i-{name}"} | more
    worker = await server.connect(name, f"s-{name}", slots=slots, cpu=cpu, ram_mb=ram_mb, **said)
    await worker.beat()
    return worker


async def one(server: Core, **spec: Any) -> Job:
    """A job that comes after those before it."""
    server.clock.go_on(0.001)
    (job,) = await server.submit(1, **spec)
    return job


async def given_out(server: Core, times: int = 4) -> None:
    """All is given out, declined and given out again that can be."""
    for _ in range(times):
        await server.dispatch.give_out()
        await eventually(
            lambda: not any(_to_decline(member) for member in server.presence.desk.members.values()), "it was declined"
        )


async def _dispatched(server: Core) -> None:
    for _ in range(4):
        await server.dispatch.give_out()


def _to_decline(member: Any) -> list[str]:
    return [job_id for job_id, given in member.given() if not given.batch and not matches(given.needs, member.machine)]


async def running(server: Core, worker: Worker, **spec: Any) -> Job:
    """A job that runs there."""
    job = await one(server, **spec)
    await server.dispatch.give_out()
    assert worker.assigned()[-1] == (job.job_id, 1)
    await worker.start((job.job_id, 1))
    return job


async def waits_for(server: Core, job: Job) -> str:
    waits = Waits(server.presence.desk, server.reads.classes, server.clock, lambda: False)
    await waits.look([job])
    why = waits(job)
    assert why is not None
    return why.sentence


def got(worker: Worker) -> Sequence[str]:
    return [job_id for job_id, _ in worker.assigned()]


# Who can have it ---------------------------------------------------------------------------------------------------


async def test_a_job_larger_than_a_worker_goes_to_one_that_is_large_enough_without_asking(server: Core) -> None:
    small, large = await ready(server, "small", 8), await ready(server, "large", cpu=4.0)
    jobs = await server.submit(3, cpu=2.0)
    await given_out(server)
    assert got(small) == []
    assert sorted(set(got(large))) == sorted(job.job_id for job in jobs)


async def test_what_no_worker_is_large_enough_for_waits_and_says_for_how_much(server: Core) -> None:
    small, large = await ready(server, "small", cpu=0.5, ram_mb=512), await ready(server, "large", cpu=2.0, ram_mb=256)
    jobs = [await one(server, cpu=3.0), await one(server, ram_mb=65536), await one(server, cpu=1.0, ram_mb=300)]
    await given_out(server, 8)
    assert [(await server.job(job.job_id)).attempt for job in jobs] == [0, 0, 0], "nobody was even asked"
    assert (got(small), got(large)) == ([], [])
    assert [await waits_for(server, job) for job in jobs] == [
        "no worker has 3 cores; the largest, large, has 2",
        "no worker has 64 GB of memory; the largest, small, has 512 MB",
        "no worker has 1 core and 300 MB of memory; the nearest, large, has 256 MB",
    ]


async def test_a_worker_that_holds_no_job_to_its_part_gets_none_that_has_one(server: Core) -> None:
    free = await ready(server, "free", limits=None)
    parted, plain = await one(server, cpu=0.5), await one(server)
    await given_out(server)
    assert got(free) == [plain.job_id]
    assert await waits_for(server, parted) == "no worker has limits for single jobs; the nearest, free, has none"
    await ready(server, "holds")
    await given_out(server)
    assert (await server.job(parted.job_id)).worker_id == "holds"


async def test_nor_does_one_that_polls(server: Core) -> None:
    await server.presence.said.register("w1", Register(session="s1", instance_id="i1", slots=2))
    member = await server.presence.said.heard("w1")
    assert isinstance(member, PollingMember)
    await ready(server, "away")
    server.presence.desk.leave(server.presence.desk.members["away"])
    parted, plain = await one(server, cpu=0.5), await one(server)

    async def stays() -> None:
        await eventually(lambda: False, "it went away", 30)

    asked = asyncio.ensure_future(server.presence.polls.ask(member, AskJobs(wait=5.0, claim="c1", max=1), stays))
    await eventually(lambda: member.mailbox.poll, "it asks")
    await given_out(server)
    given = await asyncio.wait_for(asked, 10)
    assert given is not None
    assert [job.job_id for job in given.jobs] == [plain.job_id]
    assert (await server.job(parted.job_id)).status is Status.QUEUED


async def declined_by_small(server: Core, large: Worker) -> Job:
    """A job that both match, of which the other one is not given."""
    small = await ready(server, "small")
    job = await one(server, cpu=0.5)
    await given_out(server)
    assert (got(large), got(small)) == ([], [job.job_id])
    await small.release(job.job_id, 1, "declined", "not here")
    return await server.job(job.job_id)


@pytest.mark.parametrize("why", ["no executor", "revoked"])
async def test_one_that_never_takes_jobs_is_no_other_that_might_take_it(server: Core, why: str) -> None:
    large = await ready(server, "large", cpu=4.0, executors=() if why == "no executor" else ("process",))
    if why == "revoked":
        assert await server.presence.revoke("large", "ann") is not None
    ended = await declined_by_small(server, large)
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.REJECTED)


_AWAY = "no connected worker matches; large, which does, is not connected"
_DRAINS = "the one worker that may have it, large, is draining"


@pytest.mark.parametrize(
    ("why", "words"),
    [("drains", _DRAINS), ("drained", _DRAINS), ("lost", _AWAY), ("drained and lost", f"{_AWAY} and is draining")],
)
async def test_what_was_declined_waits_for_one_that_takes_none_now(server: Core, why: str, words: str) -> None:
    large = await ready(server, "large", cpu=4.0)
    if why == "drains":
        await large.ask("heartbeat", Heartbeat(jobs=(), draining=True))
    if why.startswith("drained"):
        await server.reads.workers.change("large", draining=True)
        await server.presence.changed("large")
    if why.endswith("lost"):
        large.leave()
        server.clock.go_on(100)
        assert await server.reads.workers.mark_lost("large", "s-large", 60)
    job = await declined_by_small(server, large)
    assert job.status is Status.QUEUED
    assert await waits_for(server, job) == words
    if why == "lost":
        large = await ready(server, "large", cpu=4.0)
        await given_out(server)
        assert got(large) == [job.job_id]


async def test_one_that_is_away_for_a_while_is_waited_for(server: Core) -> None:
    small = await ready(server, "small")
    (await ready(server, "large", cpu=4.0)).leave()
    job = await one(server, cpu=2.0)
    await given_out(server)
    waits = await server.job(job.job_id)
    assert (waits.status, got(small)) == (Status.QUEUED, [])
    await server.presence.desk.offers.look()
    assert await waits_for(server, waits) == "no connected worker matches; large, which does, is not connected"
    back = await ready(server, "large", cpu=4.0)
    await given_out(server)
    assert got(back)[-1:] == [job.job_id]


async def test_a_worker_that_comes_again_with_another_capacity_gets_what_it_declined(server: Core) -> None:
    large, small = await ready(server, "large", cpu=4.0), await ready(server, "small")
    large.leave()
    job = await one(server, cpu=1.0)
    await given_out(server)
    await small.release(job.job_id, 1, "declined", "not here")
    small.leave()
    same = await ready(server, "small", instance="i-2")
    await given_out(server)
    assert got(same) == []
    same.leave()
    more = await ready(server, "small", cpu=2.0, instance="i-3")
    await given_out(server)
    assert got(more) == [job.job_id]


async def test_a_worker_that_comes_again_with_less_gives_up_what_it_cannot_begin_any_more(server: Core) -> None:
    first = await ready(server, "w", cpu=4.0)
    job = await one(server, cpu=2.0)
    await given_out(server)
    assert got(first) == [job.job_id]
    first.leave()
    again = await server.connect("w", "s-w", "i-2", cpu=1.0, ram_mb=1024, limits="watched")
    await again.beat((job.job_id, 1))
    await given_out(server)
    back = await server.job(job.job_id)
    assert (back.status, back.avoid) == (Status.QUEUED, ())
    assert await waits_for(server, back) == "no worker has 2 cores; the largest, w, has 1"
    assert (await again.start((job.job_id, 1)))[0].tell == "stop"


async def test_what_it_gave_back_is_not_its_own_again_by_an_answer_from_before_that(server: Core) -> None:
    await ready(server, "w")
    job = await one(server)
    await given_out(server)
    member = server.presence.desk.members["w"]
    before = await server.job(job.job_id)
    await server.jobs.turn(recall([job.job_id]))
    member.stands(job.job_id, 1, await server.job(job.job_id), server.clock.elapsed())
    member.stands(job.job_id, 1, before, server.clock.elapsed())
    assert not member.has(job.job_id, 1)
    await given_out(server)
    assert member.has(job.job_id, 2), "the next attempt is another matter"


# What those that wait cost -----------------------------------------------------------------------------------------


async def test_one_that_waits_for_its_part_takes_no_slot_from_those_that_ask_for_none(server: Core) -> None:
    worker = await ready(server, "w", 4)
    await running(server, worker, cpu=1.0)
    large = await server.submit(4, cpu=1.0)
    await given_out(server)
    assert got(worker)[1:] == [large[0].job_id], "one waits with the worker, the others in the queue"
    assert server.presence.view()["w"].free_slots == 3
    plain = await server.submit(5)
    await given_out(server)
    assert got(worker)[2:] == [job.job_id for job in plain[:3]], "as many as there are slots"


async def test_large_ones_that_wait_do_not_keep_small_ones_from_what_is_free(server: Core) -> None:
    worker = await ready(server, "w", 4)
    await running(server, worker, cpu=0.6)
    large = await server.submit(20, cpu=1.0)
    await given_out(server)
    small = await server.submit(3, cpu=0.2)
    await given_out(server, 10)
    assert got(worker)[1:] == [large[0].job_id, small[0].job_id, small[1].job_id]


async def test_only_the_first_of_all_waits_with_a_worker_for_its_part(server: Core) -> None:
    worker = await ready(server, "w", 2)
    await running(server, worker, cpu=0.6)
    await server.submit(1, cpu=1.0)
    plain = await server.submit(1, priority=1)
    await given_out(server, 1)
    assert got(worker)[1:] == [plain[0].job_id]


async def test_a_job_that_waits_for_its_part_does_not_put_its_worker_out_of_service(server: Core) -> None:
    first, other = await ready(server, "first"), await ready(server, "other")
    for worker in (first, other):
        await worker.beat()
    busy = [await one(server, cpu=0.6), await one(server, cpu=0.6)]
    await given_out(server)
    for worker in (first, other):
        await worker.start(worker.assigned()[0])
    large = await one(server, cpu=1.0)
    await given_out(server)
    for _ in range(20):
        server.clock.go_on(1)
        await first.beat(*first.assigned())
        await other.beat(*other.assigned())
        await given_out(server, 1)
    waits = await server.job(large.job_id)
    assert waits.attempt == 1, "it stays where it is"
    assert all(member.paused_until <= server.clock.elapsed() for member in server.presence.desk.members.values())
    why = f"room on worker {waits.worker_id}: it asks for 1 core, of which 0.4 are free"
    assert await waits_for(server, waits) == why
    assert {job.status for job in [await server.job(one.job_id) for one in busy]} == {Status.RUNNING}


async def test_it_is_moved_to_the_worker_where_its_part_is_free_and_the_one_that_had_it_does_not_get_it_back(
    server: Core,
) -> None:
    first = await ready(server, "first")
    await running(server, first, cpu=0.6)
    large = await one(server, cpu=1.0)
    await given_out(server)
    small = await ready(server, "small", cpu=0.5)
    server.clock.go_on(1.1)
    await first.beat(*first.assigned())
    await given_out(server)
    assert (got(small), (await server.job(large.job_id)).attempt) == ([], 1)
    other = await ready(server, "other")
    await given_out(server)
    server.clock.go_on(0.3)
    await given_out(server)
    assert other.assigned() == [(large.job_id, 2)]
    assert [order.job_id for order in first.sent.items("stop")] == [large.job_id]
    plain = await one(server)
    for worker in (other, small):
        await worker.ask("heartbeat", Heartbeat(draining=True))
    await given_out(server)
    assert got(first)[-1] == plain.job_id, "and it is not paused for that"


async def test_one_that_waits_is_moved_and_its_worker_is_not_taken_for_stalled(server: Core) -> None:
    first = await ready(server, "first")
    await running(server, first, cpu=1.0)
    large = await server.submit(3, cpu=1.0)
    await given_out(server)
    server.clock.go_on(1.1)
    plain = await one(server)
    await given_out(server)
    assert got(first)[1:] == [large[0].job_id, plain.job_id]
    other = await ready(server, "other", 8, cpu=4.0)
    server.clock.go_on(0.3)
    await given_out(server)
    await first.start((plain.job_id, 1))
    for _ in range(5):
        server.clock.go_on(1.1)
        await first.beat(*first.assigned())
        await other.beat(*other.assigned())
        await given_out(server)
        assert server.presence.desk.members["first"].paused_until <= server.clock.elapsed()
    assert sorted(got(other)) == sorted(job.job_id for job in large)
    assert [(await server.job(job.job_id)).attempt for job in large] == [2, 1, 1]


async def test_one_behind_a_job_that_waits_for_more_waits_for_its_turn(server: Core) -> None:
    worker = await ready(server, "w")
    first = await running(server, worker, cpu=0.6)
    large, small = await one(server, cpu=1.0), await one(server, cpu=0.3)
    await given_out(server)
    assert "its turn" in await waits_for(server, await server.job(small.job_id))
    assert "0.4 are free" in await waits_for(server, await server.job(large.job_id))
    await worker.done(first.job_id, 1)
    assert await waits_for(server, await server.job(large.job_id)) == "next on worker w"


async def test_a_stalled_worker_is_told_from_one_whose_job_waits_for_its_part(server: Core) -> None:
    stalled = await ready(server, "stalled")
    job = await one(server, cpu=1.0)
    await given_out(server)
    other = await ready(server, "other")
    server.clock.go_on(1.1)
    await given_out(server)
    assert other.assigned() == [(job.job_id, 2)]
    assert got(stalled) == [job.job_id]
    assert server.presence.desk.members["stalled"].paused_until > server.clock.elapsed()


async def test_it_is_said_that_all_that_have_so_much_are_busy(server: Core) -> None:
    worker = await ready(server, "w", 1, cpu=2.0)
    await running(server, worker)
    await ready(server, "small", 1)
    job = await one(server, cpu=2.0)
    await given_out(server)
    why = "the one worker that has 2 cores, w, is busy; it is the first of its kind"
    assert await waits_for(server, await server.job(job.job_id)) == why
