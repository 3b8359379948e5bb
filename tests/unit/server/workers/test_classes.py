"""Dispatch by class: who matches what, the best of all classes first, and thousands of classes at little cost."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Status
from cmdexec.model.matching import Needs, klass_of
from cmdexec.protocol.messages import Heartbeat
from cmdexec.server.workers.classes import Classes
from cmdexec.server.workers.dispatch import KLASSES_MAX
from tests.unit.server.core import OWNER, Core, Worker, eventually


async def ready(server: Core, name: str, slots: int = 4, **labels: str) -> Worker:
    worker = await server.connect(name, f"s-{name}", f"i-{name}", slots=slots, labels=labels)
    await worker.beat()
    return worker


def got(worker: Worker) -> list[str]:
    return [job_id for job_id, _ in worker.assigned()]


async def one(server: Core, **spec: Any) -> str:
    """The id of a job that comes after those before it."""
    server.clock.go_on(0.001)
    (job,) = await server.submit(1, **spec)
    return job.job_id


async def test_a_job_goes_to_a_worker_that_has_all_it_requires_and_waits_for_one(server: Core) -> None:
    plain, t4 = await ready(server, "plain"), await ready(server, "t4", gpu="t4")
    job = await one(server, requires={"gpu": "a100", "os": "linux"})
    await server.dispatch.give_out()
    half = await ready(server, "half", gpu="a100")
    await server.dispatch.give_out()
    assert [got(worker) for worker in (plain, t4, half)] == [[], [], []]
    all_of_it = await ready(server, "all", gpu="a100", os="linux")
    await server.dispatch.give_out()
    assert got(all_of_it) == [job]


async def test_the_best_of_all_classes_that_a_worker_matches_goes_first(server: Core) -> None:
    kinds: list[dict[str, str]] = [{}, {"n": "2"}, {"n": "*"}]
    jobs = [await one(server, requires=kinds[n % 3], priority=n) for n in range(9)]
    for _ in range(2):
        await one(server, requires={"n": "3"}, priority=100)
    worker = await ready(server, "w", 5, n="2")
    await server.dispatch.give_out()
    assert got(worker) == jobs[:3:-1]


async def test_a_worker_that_matches_more_leaves_what_others_match_to_them(server: Core) -> None:
    special, plain = await ready(server, "special", 1, gpu="a100"), await ready(server, "plain", 1)
    common = await one(server)
    rare = await one(server, requires={"gpu": "a100"})
    await server.dispatch.give_out()
    assert (got(special), got(plain)) == ([rare], [common])


async def test_few_jobs_of_a_class_are_shared_by_those_that_match_it_alone(server: Core) -> None:
    first, second = await ready(server, "a", 8, gpu="a100"), await ready(server, "b", 8, gpu="a100")
    other = await ready(server, "c", 8)
    await server.submit(4, requires={"gpu": "*"})
    await server.dispatch.give_out()
    assert (len(got(first)), len(got(second)), got(other)) == (2, 2, [])


async def test_of_hundreds_of_classes_each_worker_gets_its_own_and_those_that_are_empty_are_forgotten(
    server: Core,
) -> None:
    jobs = [await one(server, requires={"n": str(n % 300)}) for n in range(600)]
    none = await ready(server, "none", 100)
    for n in range(6):
        worker = await ready(server, f"w{n}", 100, n=str(n))
        await server.dispatch.give_out()
        assert got(worker) == [jobs[n], jobs[n + 300]]
    assert got(none) == []
    known = server.presence.classes.named([klass_of(Needs((("n", str(n)),))) for n in range(300)])
    assert len(known) == 294


async def test_one_that_matches_more_classes_than_a_claim_takes_gets_the_best_first(server: Core) -> None:
    many = KLASSES_MAX * 2
    jobs = []
    for n in range(many):
        jobs.append(await one(server, requires={"zone": "a", "n": "*"} if n % 2 else {"zone": "a"}, cpu=(n + 1) / 1000))
        server.clock.go_on(0.01)
    worker = await server.connect(
        "w", "s-w", "i-w", slots=many, labels={"zone": "a", "n": "7"}, cpu=1000.0, ram_mb=1, limits="watched"
    )
    await worker.beat()
    await server.dispatch.give_out()
    assert sorted(got(worker)) == sorted(jobs)
    first = set(got(worker)[:KLASSES_MAX])
    assert first == set(jobs[:KLASSES_MAX])


async def test_it_is_not_asked_what_waits_while_all_jobs_need_nothing(server: Core) -> None:
    worker = await ready(server, "w", 2)
    await server.dispatch.give_out()
    asked: list[Sequence[str]] = []
    get = server.reads.classes.get

    async def counted(klasses: Sequence[str]) -> Any:
        asked.append(klasses)
        return await get(klasses)

    server.reads.classes.get = counted  # type: ignore[method-assign]
    await server.submit(5)
    await server.dispatch.give_out()
    assert (len(got(worker)), asked) == (2, [])


async def test_what_was_queued_before_the_server_began_is_known(server: Core) -> None:
    job = await one(server, requires={"gpu": "a100"})
    anew = Classes(server.reads.classes)
    worker = await ready(server, "w", gpu="a100")
    await anew.look()
    choices, _ = anew.choices(server.presence.desk.members["w"], 8)
    assert [(one_.needs, one_.jobs) for one_ in choices if one_.klass] == [(Needs((("gpu", "a100"),)), 1)]
    assert (got(worker), (await server.job(job)).status) == ([], Status.QUEUED)


async def test_a_hint_that_was_lost_costs_no_more_than_the_next_look_at_all(server: Core) -> None:
    worker = await ready(server, "w", gpu="a100")
    await server.dispatch.give_out()
    server.presence.classes.news = lambda _klasses: None  # type: ignore[method-assign]
    job = await one(server, requires={"gpu": "a100"})
    await server.dispatch.give_out()
    assert got(worker) == []
    server.presence.classes.check()
    await server.dispatch.give_out()
    assert got(worker) == [job]


async def test_what_could_not_be_read_is_read_the_next_time(server: Core) -> None:
    worker = await ready(server, "w", gpu="a100")
    await server.dispatch.give_out()
    job = await one(server, requires={"gpu": "a100"})
    get = server.reads.classes.get

    async def away(_klasses: Sequence[str]) -> Any:
        raise Unavailable("store_away", "The store is away.")

    server.reads.classes.get = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await server.dispatch.give_out()
    server.reads.classes.get = get  # type: ignore[method-assign]
    await server.dispatch.give_out()
    assert got(worker) == [job]


async def test_a_low_job_is_not_starved_by_better_ones_that_keep_coming(server: Core) -> None:
    """PRIORITY_AGE_SEC is 60 s: priority 2 is worth two minutes."""
    worker = await ready(server, "w", 1)
    low = await one(server)
    for minute in range(4):
        await one(server, priority=2)
        await server.dispatch.give_out()
        job_id, attempt = worker.assigned()[-1]
        if job_id == low:
            break
        await worker.start((job_id, attempt))
        server.clock.go_on(60)
        await worker.done(job_id, attempt)
        await worker.beat()
        assert minute < 3
    assert got(worker)[-1] == low
    assert len(got(worker)) == 3


async def test_no_job_is_on_its_way_when_a_worker_was_answered_that_it_drains(server: Core) -> None:
    worker = await ready(server, "w", 4)
    claim = server.store.jobs_write.claim
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(wanted: Any, _foreseen: Any = None) -> Any:
        jobs = await claim(wanted)
        begun.set()
        await go_on.wait()
        return jobs

    server.store.jobs_write.claim = slow  # type: ignore[method-assign]
    jobs = await server.jobs.submit(OWNER, [(await server.job(await one(server))).spec] * 2, key=None, body=b"{}")
    giving = asyncio.ensure_future(server.dispatch.give_out())
    await asyncio.wait_for(begun.wait(), 10)
    await worker.ask("heartbeat", Heartbeat(jobs=(), draining=True))
    go_on.set()
    await giving
    server.store.jobs_write.claim = claim  # type: ignore[method-assign]
    assert worker.assigned() == [], "it was claimed for it, and not sent"
    other = await ready(server, "other", 4)
    await eventually(lambda: not list(server.presence.desk.members["w"].given()), "they went back to the queue")
    await server.dispatch.give_out()
    assert {job.job_id for job in jobs} < set(got(other))
    assert worker.assigned() == []


async def test_a_heartbeat_that_says_nothing_new_does_not_wake_dispatch(server: Core) -> None:
    worker = await ready(server, "w", 2)
    job = await one(server)
    await server.dispatch.give_out()
    await worker.start((job, 1))
    await worker.beat((job, 1))
    capacity = server.presence.desk.capacity
    capacity.clear()
    await worker.beat((job, 1))
    assert not capacity.is_set()
    await worker.beat((job, 1), draining=True)
    assert capacity.is_set(), "it drains"
    await worker.beat((job, 1))
    capacity.clear()
    server.clock.go_on(40)
    await worker.beat((job, 1))
    assert capacity.is_set(), "it was silent"
    capacity.clear()
    await worker.done(job, 1)
    assert capacity.is_set(), "it has a free slot"
