"""Queues whose jobs some worker matches: it drains, is busy, has too little free, or declined the job. See `queues`."""

from collections.abc import Awaitable, Callable

from tests.support.fleet import Fleet, started, waits
from tests.support.poller import Poller

Queue = Callable[[Fleet], Awaitable[None]]

A100 = {"gpu": "a100"}
ADD = "Add a worker, or wait for an end."
ADD_A100 = "Add a worker that has gpu=a100, or wait for an end."
HIGHER = "Cancel it and submit it with a higher priority, or add a worker."


# They drain


async def drained(fleet: Fleet) -> None:
    """people drained the one worker"""
    sim = await fleet.worker("w")
    assert fleet.change("w", draining=True)["state"] == "draining"
    job = waits(
        fleet, "the one worker, w, is draining", "Let w take jobs again, or add a worker.",
    )  # fmt: skip
    assert fleet.change("w", draining=False)["state"] == "online"
    await started(fleet, sim, job)


async def drains(fleet: Fleet) -> None:
    """the one worker says that it drains"""
    sim = await fleet.worker("w")
    await sim.beat(draining=True)
    job = waits(fleet, "the one worker, w, is draining", "Let w take jobs again, or add a worker.")
    await sim.beat()
    await started(fleet, sim, job)


async def all_that_match_drain(fleet: Fleet) -> None:
    """all that match are draining, another is not"""
    await fleet.worker("other")
    sims = [await fleet.worker(name, labels=A100) for name in ("a", "b")]
    for sim in sims:
        fleet.change(sim.name, draining=True)
    why = "all 2 workers that have gpu=a100 are draining"
    mend = "Let a and b take jobs again, or add a worker that has gpu=a100."
    job = waits(fleet, why, mend, requires=A100)
    fleet.change("b", draining=False)
    await started(fleet, sims[1], job)


async def drained_while_away(fleet: Fleet) -> None:
    """one that was drained stays so when it comes again"""
    await fleet.worker("w")
    fleet.change("w", draining=True)
    sim = await fleet.worker("w")
    job = waits(fleet, "the one worker, w, is draining", "Let w take jobs again, or add a worker.")
    fleet.change("w", draining=False)
    await started(fleet, sim, job)


# They are busy


async def busy(fleet: Fleet) -> None:
    """the one worker is busy, and a job ends"""
    sim = await fleet.worker("w")
    fleet.submit()
    first = await sim.run()
    job = waits(fleet, "the one worker, w, is busy; it is the first of its kind", ADD)
    await sim.done(first)
    await started(fleet, sim, job)


async def three_busy(fleet: Fleet) -> None:
    """three match and are busy, another is free"""
    await fleet.worker("other", slots=2)
    sims = [await fleet.worker(name, labels=A100) for name in ("a", "b", "c")]
    held = [(sim, fleet.submit(requires=A100) and await sim.run()) for sim in sims[:1]]
    for _ in sims[1:]:
        fleet.submit(requires=A100)
    held += [(sim, await sim.run()) for sim in sims[1:]]
    job = waits(
        fleet, "all 3 workers that have gpu=a100 are busy; it is the first of its kind", ADD_A100, requires=A100
    )
    sim, first = held[2]
    await sim.done(first)
    await started(fleet, sim, job)


async def another_joins(fleet: Fleet) -> None:
    """the one that matches is busy, and another joins"""
    sim = await fleet.worker("w", labels=A100)
    fleet.submit(requires=A100)
    await sim.run()
    why = "the one worker that has gpu=a100, w, is busy; it is the first of its kind"
    job = waits(fleet, why, ADD_A100, requires=A100)
    await started(fleet, await fleet.worker("new", labels=A100), job)


async def two_busy(fleet: Fleet) -> None:
    """all workers are busy"""
    sims = [await fleet.worker(name) for name in ("a", "b")]
    for _ in sims:
        fleet.submit()
    first = await sims[0].run()
    await sims[1].run()
    job = waits(fleet, "all 2 workers are busy; it is the first of its kind", ADD)
    await sims[0].done(first)
    await started(fleet, sims[0], job)


async def behind_one(fleet: Fleet) -> None:
    """one of higher priority goes first, and is cancelled"""
    sim = await fleet.worker("w")
    fleet.submit()
    first = await sim.run()
    before = fleet.submit(priority=5)
    job = waits(fleet, "the one worker, w, is busy; 1 job like it goes first", HIGHER)
    fleet.api.cancel(before)
    await sim.done(first)
    await started(fleet, sim, job)


async def behind_two(fleet: Fleet) -> None:
    """two of higher priority go first, and it is given a higher one"""
    sim = await fleet.worker("w")
    fleet.submit()
    first = await sim.run()
    for _ in range(2):
        fleet.submit(priority=5)
    job = waits(fleet, "the one worker, w, is busy; 2 jobs like it go first", HIGHER)
    fleet.api.cancel(job)
    job = fleet.submit(priority=6)
    await sim.done(first)
    await started(fleet, sim, job)


async def behind_many(fleet: Fleet) -> None:
    """more go first than are counted, and another class does not count"""
    sim = await fleet.worker("w")
    fleet.submit()
    first = await sim.run()
    fleet.submit(requires=A100)
    many = fleet.api.create_many([{"command": "true", "priority": 1}] * 120)
    job = waits(fleet, "the one worker, w, is busy; more than 100 jobs like it go first", HIGHER)
    fleet.api.ask("POST", "/api/jobs/cancel", {"jobId": many})
    await sim.done(first)
    await started(fleet, sim, job)


# Too little is free


async def waits_with_a_worker(fleet: Fleet) -> None:
    """it waits with a worker for its part"""
    sim = await fleet.worker("w", slots=4, cpu=2, ramMb=1024)
    fleet.submit(cpu=1.5)
    first = await sim.run()
    job = waits(fleet, "room on worker w: it asks for 1 core, of which 0.5 are free", None, cpu=1)
    await sim.done(first)
    await started(fleet, sim, job)


async def cores_in_use(fleet: Fleet) -> None:
    """too few cores are free now, and less is asked for"""
    sim = await fleet.worker("w", slots=4, cpu=4, ramMb=1024)
    fleet.submit(cpu=3)
    await sim.run()
    fleet.submit(cpu=2)
    await sim.take()
    why = (
        "the one worker that has 2 cores, w, has too little free now: 1 of 4 cores are free on w;"
        " it is the first of its kind"
    )
    job = waits(
        fleet, why, "Cancel it and submit it with less of the machine, or add a worker that has 2 cores.", cpu=2
    )
    fleet.api.cancel(job)
    await started(fleet, sim, fleet.submit(cpu=1))


async def memory_in_use(fleet: Fleet) -> None:
    """too little memory is free now, and another worker joins"""
    sim = await fleet.worker("w", slots=4, cpu=4, ramMb=1024)
    fleet.submit(ramMb=1000)
    await sim.run()
    fleet.submit(ramMb=512)
    await sim.take()
    why = (
        "the one worker that has 600 MB of memory, w, has too little free now: 24 MB of 1 GB of memory are free on w;"
        " it is the first of its kind"
    )
    job = waits(
        fleet,
        why,
        "Cancel it and submit it with less of the machine, or add a worker that has 600 MB of memory.",
        ramMb=600,
    )
    new = await fleet.worker("new", slots=4, cpu=4, ramMb=1024)
    got = [await new.run()]
    if got[0]["jobId"] != job:
        got.append(await new.take())
    assert job in [one["jobId"] for one in got]


async def small_passes_large(fleet: Fleet) -> None:
    """a large one waits, and a small one does not"""
    sim = await fleet.worker("w", slots=4, cpu=2, ramMb=1024)
    fleet.submit(cpu=1)
    first = await sim.run()
    large = waits(fleet, "room on worker w: it asks for 2 cores, of which 1 are free", None, cpu=2)
    waiting = await sim.take()
    await started(fleet, sim, fleet.submit(cpu=1))
    assert fleet.api.job(large)["status"] == "assigned"
    await sim.done(first)
    assert await sim.start(waiting) == "go"


# It was declined


async def declined(fleet: Fleet) -> None:
    """all that match declined it, and another joins"""
    await fleet.worker("away", labels=A100)
    await fleet.sims["away"].leave()
    sim = await fleet.worker("w", labels=A100)
    job_id = fleet.submit(requires=A100)
    await sim.decline(await sim.take())
    fleet.revoke("away")
    shown = fleet.waits(job_id, "declined by w; no other worker matches")
    assert shown["waitingMend"] == "Cancel it and submit it again once w may run it, or add a worker that has gpu=a100."
    await started(fleet, await fleet.worker("new", labels=A100), job_id)


async def declined_and_away(fleet: Fleet) -> None:
    """one declined it, the other is away and comes back"""
    await (await fleet.worker("other", labels=A100)).leave()
    sim = await fleet.worker("w", labels=A100)
    job_id = fleet.submit(requires=A100)
    await sim.decline(await sim.take())
    fleet.waits(job_id, "no connected worker matches; other, which does, is not connected")
    await started(fleet, await fleet.worker("other", labels=A100), job_id)


async def declined_and_busy(fleet: Fleet) -> None:
    """one declined it, the other is busy"""
    other = await fleet.worker("other", labels=A100)
    fleet.submit(requires=A100)
    first = await other.run()
    sim = await fleet.worker("w", labels=A100)
    job_id = fleet.submit(requires=A100)
    await sim.decline(await sim.take())
    fleet.waits(job_id, "the one worker that may have it, other, is busy")
    await other.done(first)
    await started(fleet, other, job_id)


# It is about to begin


async def next_on_a_worker(fleet: Fleet) -> None:
    """it is next on a worker, which has not asked to start it"""
    sim = await fleet.worker("w")
    waits(fleet, "next on worker w", None)
    assert await sim.start(await sim.take()) == "go"


async def when_it_asks(fleet: Fleet) -> None:
    """a worker that polls has not asked for jobs"""
    poller = Poller(fleet.run, "poller")
    poller.register()
    poller.beat()
    job_id = waits(fleet, "a worker has room for it and gets it when it asks for jobs again", None)
    (job,) = poller.take()
    assert job["jobId"] == job_id
    assert fleet.api.job(job_id)["status"] == "running"
    fleet.api.ask("DELETE", "/api/workers/poller")


QUEUES: tuple[Queue, ...] = (
    drained, drains, all_that_match_drain, drained_while_away, busy, three_busy, another_joins, two_busy, behind_one,
    behind_two, behind_many, waits_with_a_worker, cores_in_use, memory_in_use, small_passes_large, declined,
    declined_and_away, declined_and_busy, next_on_a_worker, when_it_asks,
)  # fmt: skip
