"""Who gets which jobs, how many ahead, and what is taken back."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from cmdexec.errors import Unavailable
from cmdexec.model.events import Declined
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Heartbeat
from cmdexec.server.jobs import Ask, Holder
from cmdexec.server.workers.shares import split
from tests.unit.server.core import Core, Worker, core, eventually


async def ready(server: Core, name: str, slots: int) -> Worker:
    worker = await server.connect(name, f"session of {name}".replace(" ", "."), f"i-{name}", slots=slots)
    await worker.beat()
    return worker


async def paced(server: Core, worker: Worker, jobs: int = 12) -> None:
    """The worker has ended so many jobs that took no time."""
    await server.submit(jobs)
    for _ in range(jobs):
        await server.dispatch.give_out()
        job_id, attempt = worker.assigned()[-1]
        if (await server.job(job_id)).ended:
            break
        for job_id, attempt in [one for one in worker.assigned() if not (await server.job(one[0])).ended]:
            await worker.start((job_id, attempt))
            await worker.done(job_id, attempt)
    worker.sent.frames.clear()


@for_all(st.integers(0, 50), st.lists(st.integers(0, 10), min_size=1, max_size=8))
def test_a_split_gives_all_that_is_wanted_and_evenly(items: int, wants: list[int]) -> None:
    shares = split(items, wants)
    assert sum(shares) == min(items, sum(wants))
    assert all(0 <= share <= want for share, want in zip(shares, wants, strict=True))
    unfilled = [share for share, want in zip(shares, wants, strict=True) if share < want]
    assert not unfilled or max(shares) <= min(unfilled) + 1, "nobody gets more while another one has two fewer"


async def test_a_new_worker_gets_as_many_as_it_has_slots(server: Core) -> None:
    await server.submit(10)
    worker = await ready(server, "w1", 3)
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 3


async def test_few_jobs_are_shared_out_evenly(server: Core) -> None:
    await server.submit(4)
    first, second = await ready(server, "w1", 8), await ready(server, "w2", 8)
    await server.dispatch.give_out()
    assert (len(first.assigned()), len(second.assigned())) == (2, 2)


async def test_the_best_jobs_go_first_and_none_twice(server: Core) -> None:
    ids = [job.job_id for job in await server.submit(6)]
    first, second = await ready(server, "w1", 2), await ready(server, "w2", 2)
    await server.dispatch.give_out()
    given = [job_id for job_id, _ in (*first.assigned(), *second.assigned())]
    assert sorted(given) == sorted(ids[:4])


async def test_short_jobs_are_given_ahead_and_long_ones_are_not(server: Core) -> None:
    worker = await ready(server, "w1", 2)
    await paced(server, worker)
    await server.submit(40)
    await server.dispatch.give_out()
    ahead = len(worker.assigned())
    assert ahead > 2 + 2 * 2
    for job_id, attempt in worker.assigned():
        await worker.start((job_id, attempt))
        server.clock.go_on(5)
        await worker.done(job_id, attempt)
    worker.sent.frames.clear()
    await worker.beat()
    await server.submit(40)
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 2


async def test_nothing_is_given_ahead_while_another_worker_has_a_free_slot(server: Core) -> None:
    fast = await ready(server, "w1", 2)
    await paced(server, fast)
    slow = await ready(server, "w2", 8)
    await server.submit(10)
    await server.dispatch.give_out()
    assert (len(fast.assigned()), len(slow.assigned())) == (2, 8)


async def test_the_rest_is_given_ahead_when_all_slots_are_full(server: Core) -> None:
    fast = await ready(server, "w1", 2)
    await paced(server, fast)
    slow = await ready(server, "w2", 3)
    await server.submit(9)
    await server.dispatch.give_out()
    assert (len(fast.assigned()), len(slow.assigned())) == (6, 3)


async def test_what_waits_with_one_worker_is_recalled_for_another_that_is_free(server: Core) -> None:
    fast = await ready(server, "w1", 2)
    await paced(server, fast)
    await server.submit(6)
    await server.dispatch.give_out()
    assert len(fast.assigned()) == 6
    other = await ready(server, "w2", 3)
    assert await server.dispatch.give_out(), "it has to be looked at again"
    assert fast.sent.items("stop") == [], "it has not waited long enough"
    server.clock.go_on(0.3)
    await server.dispatch.give_out()
    await server.dispatch.give_out()
    moved = [job_id for job_id, _ in other.assigned()]
    assert len(moved) == 3
    assert len(server.presence.view()["w1"].held) == 3
    assert set(moved) == {order.job_id for order in fast.sent.items("stop")}
    kept = [job_id for job_id, _ in fast.assigned() if job_id not in moved]
    assert kept == [job_id for job_id, _ in fast.assigned()][:3], "the last that it would have begun are taken"


async def test_nothing_is_recalled_for_a_worker_that_declined_it(server: Core) -> None:
    fast = await ready(server, "w1", 1)
    await paced(server, fast)
    (declined,) = await server.submit()
    await server.jobs.claim(Holder("w2", "s2"), claim_id="c", klasses=("",), limit=1, most=1)
    await server.jobs.turn([Ask(declined.job_id, Declined("w2", "s2", 1, "not here", True))])
    await server.submit(1, priority=1)
    await server.dispatch.give_out()
    assert (declined.job_id, 2) == fast.assigned()[-1]
    await ready(server, "w2", 1)
    server.clock.go_on(0.3)
    await server.dispatch.give_out()
    job = await server.job(declined.job_id)
    assert (job.status, job.attempt) == (Status.ASSIGNED, 2)


async def test_a_start_that_crosses_with_a_recall_is_decided_once(server: Core) -> None:
    fast = await ready(server, "w1", 1)
    await paced(server, fast)
    await server.submit(2)
    await server.dispatch.give_out()
    first, second = fast.assigned()[:2]
    other = await ready(server, "w2", 1)
    server.clock.go_on(0.3)
    await server.dispatch.give_out()
    (told,) = await fast.start(second)
    assert told.tell == "stop"
    assert (await server.job(second[0])).status in (Status.QUEUED, Status.ASSIGNED)
    await server.dispatch.give_out()
    assert other.assigned() == [(second[0], 2)]
    (told,) = await fast.start(first)
    assert told.tell == "go"


async def test_what_waits_with_a_worker_that_left_is_given_to_another(server: Core) -> None:
    await server.submit(2)
    gone = await ready(server, "w1", 2)
    await server.dispatch.give_out()
    gone.leave()
    other = await ready(server, "w2", 2)
    server.clock.go_on(5)
    await other.beat()
    await server.dispatch.give_out(look_elsewhere=True)
    await server.dispatch.give_out()
    assert other.assigned() == [(job_id, 2) for job_id, _ in gone.assigned()]


async def test_a_claim_whose_answer_was_lost_is_asked_again_and_gives_the_same(server: Core) -> None:
    ids = [job.job_id for job in await server.submit(5)]
    worker = await ready(server, "w1", 2)
    claim = server.store.jobs_write.claim

    async def lost(wanted: object, _foreseen: object = None) -> object:
        await claim(wanted)  # type: ignore[arg-type]
        raise Unavailable("store_away", "The answer was lost.")

    server.store.jobs_write.claim = lost  # type: ignore[method-assign]
    assert await server.dispatch.give_out(), "it has to be asked again soon"
    server.store.jobs_write.claim = claim  # type: ignore[method-assign]
    await server.dispatch.give_out()
    assert worker.assigned() == [(ids[0], 1), (ids[1], 1)]
    assert (await server.job(ids[2])).status is Status.QUEUED


@pytest.mark.parametrize("why", ["draining", "silent", "no executor"])
async def test_no_jobs_for_a_worker_that_cannot_take_them(server: Core, why: str) -> None:
    await server.submit()
    worker = await server.connect(executors=() if why == "no executor" else ("process",))
    await worker.ask("heartbeat", Heartbeat(jobs=(), draining=why == "draining"))
    if why == "silent":
        server.clock.go_on(31)
    await server.dispatch.give_out()
    assert worker.assigned() == []


async def test_a_draining_server_gives_out_nothing(server: Core) -> None:
    await server.submit()
    worker = await ready(server, "w1", 1)
    server.jobs.drain()
    await server.dispatch.give_out()
    assert worker.assigned() == []


async def test_an_empty_queue_is_not_asked_again_before_something_is_announced(server: Core) -> None:
    worker = await ready(server, "w1", 4)
    await server.dispatch.give_out()
    claims = []
    claim = server.store.jobs_write.claim

    async def counted(wanted: object, _foreseen: object = None) -> object:
        claims.append(wanted)
        return await claim(wanted)  # type: ignore[arg-type]

    server.store.jobs_write.claim = counted  # type: ignore[method-assign]
    await worker.beat()
    await server.dispatch.give_out()
    assert claims == []
    (job,) = await server.submit()
    await server.dispatch.give_out()
    assert worker.assigned() == [(job.job_id, 1)]


async def test_the_loop_gives_out_what_is_announced_and_ends_when_cancelled(server: Core) -> None:
    worker = await ready(server, "w1", 2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.dispatch.run())
        jobs = await server.submit(2)
        await eventually(lambda: len(worker.assigned()) == 2, "they were not given out")
        assert {job_id for job_id, _ in worker.assigned()} == {job.job_id for job in jobs}
        await worker.start(*worker.assigned())
        await server.submit(1)
        await worker.done(*worker.assigned()[0])
        await eventually(lambda: len(worker.assigned()) == 3, "a free slot was not filled")
        running.cancel()


async def test_the_loop_goes_on_when_the_store_was_away(tmp_path: Path) -> None:
    async with core(tmp_path, recall_after_sec="10ms") as server:
        worker = await ready(server, "w1", 2)
        claim = server.store.jobs_write.claim
        tries = []

        async def away(wanted: object, _foreseen: object = None) -> object:
            tries.append(wanted)
            if len(tries) < 3:
                raise Unavailable("store_away", "The store is away.")
            return await claim(wanted)  # type: ignore[arg-type]

        server.store.jobs_write.claim = away  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(server.dispatch.run())
            await server.submit(1)
            await eventually(lambda: len(worker.assigned()) == 1, "it was not given out")
            running.cancel()
        assert len({wanted.claim.claim_id for wanted in tries}) == 1  # type: ignore[attr-defined]


async def test_what_was_given_ahead_is_taken_back_when_the_jobs_turn_out_to_be_long(server: Core) -> None:
    worker = await ready(server, "w1", 2)
    await paced(server, worker)
    await server.submit(6)
    await server.dispatch.give_out()
    begun, ahead = worker.assigned()[:2], worker.assigned()[2:]
    assert len(ahead) == 4
    await worker.start(*begun)
    server.clock.go_on(1.9)
    await worker.beat(*worker.assigned())
    await server.dispatch.give_out()
    assert worker.sent.items("stop") == [], "they may end any moment"
    server.clock.go_on(0.2)
    await worker.beat(*worker.assigned())
    await server.dispatch.give_out()
    assert {order.job_id for order in worker.sent.items("stop")} == {job_id for job_id, _ in ahead}
    urgent = (await server.submit(1, priority=9))[0].job_id
    await server.dispatch.give_out()
    assert len(worker.assigned()) == 6, "nothing more is given ahead"
    await worker.done(*begun[0])
    await server.dispatch.give_out()
    assert worker.assigned()[6][0] == urgent
