"""Queues of jobs that only some workers can run, for how they run them: in containers, or as processes."""

from collections.abc import Awaitable, Callable

from tests.support.fleet import Fleet, started, waits

Queue = Callable[[Fleet], Awaitable[None]]

IMAGE = "alpine:3.20"
BOTH, CONTAINERS = ["process", "container"], ["container"]
A100 = {"gpu": "a100"}
ENGINE = "a container engine"
WITHOUT = "cancel it and submit it without `containerImage`."


async def nobody_has_containers(fleet: Fleet) -> None:
    """the one worker runs no containers, and then it does"""
    await fleet.worker("w")
    why = "no worker runs containers; w runs processes only"
    job = waits(fleet, why, f"Start {ENGINE} on w, or {WITHOUT}", containerImage=IMAGE)
    await started(fleet, await fleet.worker("w", executors=BOTH), job)


async def none_of_three(fleet: Fleet) -> None:
    """none of three runs containers"""
    for name in ("c", "a", "b"):
        await fleet.worker(name)
    why = "no worker runs containers; a, b and c run processes only"
    job = waits(fleet, why, f"Start {ENGINE} on one of them, or {WITHOUT}", containerImage=IMAGE)
    await started(fleet, await fleet.worker("b", executors=BOTH), job)


async def none_of_four(fleet: Fleet) -> None:
    """none of many runs containers: they are counted"""
    for name in ("a", "b", "c", "d"):
        await fleet.worker(name)
    why = "no worker runs containers; 4 workers run processes only"
    job = waits(fleet, why, f"Start {ENGINE} on one of them, or {WITHOUT}", containerImage=IMAGE)
    await started(fleet, await fleet.worker("e", executors=CONTAINERS), job)


async def labelled_without_engine(fleet: Fleet) -> None:
    """the one with the label runs no containers, another one does"""
    await fleet.worker("gpu-01", labels=A100)
    await fleet.worker("plain", executors=BOTH)
    why = "no worker with gpu=a100 and 1 core runs containers; gpu-02 runs processes only"
    await fleet.worker("gpu-02", labels=A100, cpu=2)
    mend = f"Start {ENGINE} on gpu-02, or {WITHOUT}"
    job = waits(fleet, why, mend, containerImage=IMAGE, requires=A100, cpu=1)
    await started(fleet, await fleet.worker("gpu-02", executors=BOTH, labels=A100, cpu=2), job)


async def engine_without_label(fleet: Fleet) -> None:
    """those that run containers lack the label"""
    sim = await fleet.worker("w", executors=BOTH)
    await fleet.worker("bare")
    why = "no worker has gpu=a100; the nearest, w, has no label gpu"
    mend = f"Give w the label gpu=a100, or add a worker that has gpu=a100 and {ENGINE}."
    job = waits(fleet, why, mend, containerImage=IMAGE, requires=A100)
    fleet.change("w", labels=A100)
    await started(fleet, sim, job)


async def neither(fleet: Fleet) -> None:
    """the nearest has neither the label nor an engine"""
    await fleet.worker("w")
    why = f"no worker has the label gpu and {ENGINE}; the nearest, w, has no label gpu and no container engine"
    mend = f"Start {ENGINE} on w and give w the label gpu=…, or add a worker that has gpu and {ENGINE}."
    job = waits(fleet, why, mend, containerImage=IMAGE, requires={"gpu": "*"})
    await started(fleet, await fleet.worker("w", executors=BOTH, labels={"gpu": "t4"}), job)


async def engine_too_small(fleet: Fleet) -> None:
    """the largest of those that run containers is too small, and a large one runs none"""
    await fleet.worker("large", cpu=16)
    await fleet.worker("small", executors=BOTH, cpu=2)
    why = f"no worker with {ENGINE} has 8 cores; the largest, small, has 2"
    mend = f"Cancel it and submit it with no more than 2 cores, or add a worker that has {ENGINE} and 8 cores."
    job = waits(fleet, why, mend, containerImage=IMAGE, cpu=8)
    await started(fleet, await fleet.worker("small", executors=BOTH, cpu=8), job)


async def containers_alone(fleet: Fleet) -> None:
    """a process, and the one worker runs containers alone"""
    await fleet.worker("w", executors=CONTAINERS)
    why = "no worker runs processes; w runs containers only"
    mend = "Let w run processes (ALLOW_HOST), or cancel it and submit it with `containerImage`."
    job = waits(fleet, why, mend)
    await started(fleet, await fleet.worker("p"), job)


async def engine_is_away(fleet: Fleet) -> None:
    """the one that runs containers is away, another is not"""
    await (await fleet.worker("w", executors=BOTH)).leave()
    other = await fleet.worker("other")
    why = "no connected worker matches; w, which does, is not connected"
    job = waits(fleet, why, f"Start w again, or add a worker that has {ENGINE}.", containerImage=IMAGE)
    plain = fleet.submit()
    await started(fleet, other, plain)
    await started(fleet, await fleet.worker("w", executors=BOTH), job)


async def engine_is_busy(fleet: Fleet) -> None:
    """those that run containers are busy, another is free and is not given it"""
    sim = await fleet.worker("w", executors=CONTAINERS)
    await fleet.worker("free")
    fleet.submit(containerImage=IMAGE)
    running = await sim.run()
    why = f"the one worker that has {ENGINE}, w, is busy; it is the first of its kind"
    job = waits(fleet, why, f"Add a worker that has {ENGINE}, or wait for an end.", containerImage=IMAGE, pull="never")
    await sim.done(running)
    await started(fleet, sim, job)


async def others_run_containers_alone(fleet: Fleet) -> None:
    """the one that runs processes is busy, and the other runs containers alone"""
    sim = await fleet.worker("w")
    await fleet.worker("c", executors=CONTAINERS)
    fleet.submit()
    running = await sim.run()
    why = "the one worker that may have it, w, is busy; it is the first of its kind"
    job = waits(fleet, why, "Add a worker, or wait for an end.")
    await sim.done(running)
    await started(fleet, sim, job)


QUEUES: tuple[Queue, ...] = (
    nobody_has_containers, none_of_three, none_of_four, labelled_without_engine, engine_without_label, neither,
    engine_too_small, containers_alone, engine_is_away, engine_is_busy, others_run_containers_alone,
)  # fmt: skip
