"""Queues, each with a job that waits: why, what would end that, and that it does. The docstrings are what is said.

Each is `async (Fleet) -> None`. Workers of one are gone when the next begins.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from tests.api import queues_busy, queues_ways
from tests.support.fleet import Fleet, started, waits

Queue = Callable[[Fleet], Awaitable[None]]

A100 = {"gpu": "a100"}
GB = 1024


# Nobody is there


async def nobody(fleet: Fleet) -> None:
    """no worker is connected"""
    job = waits(fleet, "no worker is connected", "Start a worker.")
    await started(fleet, await fleet.worker("w"), job)


async def nobody_with_a_label(fleet: Fleet) -> None:
    """no worker is connected, a label is required"""
    mend = "Start a worker that has gpu=a100."
    job = waits(fleet, "no worker is connected", mend, requires=A100)
    await started(fleet, await fleet.worker("w", labels=A100), job)


async def away(fleet: Fleet) -> None:
    """the one that matches is away"""
    await (await fleet.worker("w", labels=A100)).leave()
    why = "no connected worker matches; w, which does, is not connected"
    job = waits(fleet, why, "Start w again, or add a worker that has gpu=a100.", requires=A100)
    await started(fleet, await fleet.worker("w", labels=A100), job)


async def two_away(fleet: Fleet) -> None:
    """those that match are away, another is not"""
    for name in ("a", "b"):
        await (await fleet.worker(name, labels=A100)).leave()
    await fleet.worker("other")
    why = "no connected worker matches; a and b, which do, are not connected"
    job = waits(fleet, why, "Start a and b again, or add a worker that has gpu=a100.", requires=A100)
    await started(fleet, await fleet.worker("b", labels=A100), job)


# Nobody has the label


async def another_value(fleet: Fleet) -> None:
    """another value, and a label is given"""
    sim = await fleet.worker("build-07", labels={"gpu": "t4"})
    why = "no worker has gpu=a100; the nearest, build-07, has gpu=t4"
    mend = "Give build-07 the label gpu=a100, or add a worker that has gpu=a100."
    job = waits(fleet, why, mend, requires=A100)
    fleet.change("build-07", labels=A100)
    await started(fleet, sim, job)


async def no_label(fleet: Fleet) -> None:
    """no such label, and it is given"""
    sim = await fleet.worker("w", labels={"os": "linux"})
    why = "no worker has gpu=a100; the nearest, w, has no label gpu"
    job = waits(fleet, why, "Give w the label gpu=a100, or add a worker that has gpu=a100.", requires=A100)
    fleet.change("w", labels=A100)
    await started(fleet, sim, job)


async def any_value(fleet: Fleet) -> None:
    """any value is wanted, and there is none"""
    await fleet.worker("w")
    why = "no worker has the label gpu; the nearest, w, has no label gpu"
    job = waits(fleet, why, "Give w the label gpu=…, or add a worker that has gpu.", requires={"gpu": "*"})
    await started(fleet, await fleet.worker("new", labels={"gpu": "t4"}), job)


async def nearest_of_three(fleet: Fleet) -> None:
    """the nearest of three is named"""
    await fleet.worker("far")
    await fleet.worker("near", labels={"gpu": "a100", "zone": "b"})
    await fleet.worker("middle", labels={"gpu": "a100"})
    why = "no worker has zone=a; the nearest, near, has zone=b"
    mend = "Give near the label zone=a, or add a worker that has gpu=a100 and zone=a."
    job = waits(fleet, why, mend, requires=A100 | {"zone": "a"})
    await started(fleet, await fleet.worker("new", labels=A100 | {"zone": "a"}), job)


async def two_labels(fleet: Fleet) -> None:
    """two labels are missing"""
    sim = await fleet.worker("w", labels={"gpu": "t4"})
    why = "no worker has gpu=a100 and zone=a; the nearest, w, has gpu=t4 and no label zone"
    mend = "Give w the labels gpu=a100 and zone=a, or add a worker that has gpu=a100 and zone=a."
    job = waits(fleet, why, mend, requires=A100 | {"zone": "a"})
    fleet.change("w", labels=A100 | {"zone": "a"})
    await started(fleet, sim, job)


async def taken_away(fleet: Fleet) -> None:
    """people took the label away"""
    sim = await fleet.worker("w", labels=A100)
    fleet.change("w", labels={"gpu": ""})
    why = "no worker has gpu=a100; the nearest, w, has no label gpu"
    job = waits(fleet, why, "Give w the label gpu=a100, or add a worker that has gpu=a100.", requires=A100)
    fleet.change("w", labels=A100)
    await started(fleet, sim, job)


async def gone_over(fleet: Fleet) -> None:
    """people gave the label another value"""
    sim = await fleet.worker("w", labels=A100)
    fleet.change("w", labels={"gpu": "broken"})
    why = "no worker has gpu=a100; the nearest, w, has gpu=broken"
    job = waits(fleet, why, "Give w the label gpu=a100, or add a worker that has gpu=a100.", requires=A100)
    fleet.change("w", labels=A100)
    await started(fleet, sim, job)


async def called_otherwise(fleet: Fleet) -> None:
    """the nearest is called as people call it, and a value is another in small letters"""
    await fleet.worker("w", labels={"os": "linux"})
    fleet.change("w", name="the large one")
    why = "no worker has os=Linux; the nearest, the large one, has os=linux"
    job = waits(fleet, why, "Add a worker that has os=Linux.", requires={"os": "Linux"})
    await started(fleet, await fleet.worker("new", labels={"os": "Linux"}), job)


# Nobody is large enough


async def too_little_memory(fleet: Fleet) -> None:
    """too little memory, and less is asked for"""
    await fleet.worker("small", cpu=4, ramMb=8 * GB)
    sim = await fleet.worker("build-07", cpu=4, ramMb=32 * GB)
    why = "no worker has 64 GB of memory; the largest, build-07, has 32 GB"
    mend = "Cancel it and submit it with no more than 32 GB of memory, or add a worker that has 64 GB of memory."
    job = waits(fleet, why, mend, ramMb=64 * GB)
    fleet.api.cancel(job)
    await started(fleet, sim, fleet.submit(ramMb=32 * GB))


async def too_few_cores(fleet: Fleet) -> None:
    """too few cores, and a larger worker joins"""
    await fleet.worker("w", cpu=1, ramMb=GB)
    why = "no worker has 8 cores; the largest, w, has 1"
    mend = "Cancel it and submit it with no more than 1 core, or add a worker that has 8 cores."
    job = waits(fleet, why, mend, cpu=8)
    await started(fleet, await fleet.worker("large", cpu=8, ramMb=GB), job)


async def labelled_but_small(fleet: Fleet) -> None:
    """of those with the label none has the memory"""
    await fleet.worker("large", cpu=4, ramMb=64 * GB)
    await fleet.worker("w", cpu=4, ramMb=GB, labels=A100)
    why = "no worker with gpu=a100 has 2 GB of memory; the largest, w, has 1 GB"
    mend = (
        "Cancel it and submit it with no more than 1 GB of memory, or add a worker that has gpu=a100 and 2 GB of"
        " memory."
    )
    job = waits(fleet, why, mend, requires=A100, ramMb=2 * GB)
    await fleet.sims["large"].leave()
    await started(fleet, await fleet.worker("new", cpu=4, ramMb=2 * GB, labels=A100), job)


async def label_and_memory(fleet: Fleet) -> None:
    """label and memory are missing"""
    sim = await fleet.worker("w", cpu=4, ramMb=GB, labels={"gpu": "t4"})
    why = "no worker has gpu=a100 and 2 GB of memory; the nearest, w, has gpu=t4 and 1 GB of memory"
    mend = (
        "Cancel it and submit it with no more than 1 GB of memory and give w the label gpu=a100, or add a worker that"
        " has gpu=a100 and 2 GB of memory."
    )
    job = waits(fleet, why, mend, requires=A100, ramMb=2 * GB)
    fleet.api.cancel(job)
    job = fleet.submit(requires=A100, ramMb=GB)
    fleet.change("w", labels=A100)
    await started(fleet, sim, job)


async def cores_and_memory(fleet: Fleet) -> None:
    """cores and memory are missing, and less is asked for"""
    sim = await fleet.worker("w", cpu=2, ramMb=GB)
    why = "no worker has 4 cores and 2 GB of memory; the largest, w, has 2 cores and 1 GB of memory"
    mend = (
        "Cancel it and submit it with no more than 2 cores and 1 GB of memory, or add a worker that has 4 cores and"
        " 2 GB of memory."
    )
    fleet.api.cancel(waits(fleet, why, mend, cpu=4, ramMb=2 * GB))
    await started(fleet, sim, fleet.submit(cpu=2, ramMb=GB))


async def no_limits(fleet: Fleet) -> None:
    """nobody holds jobs to their parts"""
    sim = await fleet.worker("w")
    why = "no worker has limits for single jobs; the nearest, w, has none"
    mend = "Cancel it and submit it with no part of the machine, or add a worker that has 1 core."
    job = waits(fleet, why, mend, cpu=1)
    fleet.api.cancel(job)
    await started(fleet, sim, fleet.submit())


# Its time


async def its_time(fleet: Fleet) -> None:
    """its time has not come"""
    sim = await fleet.worker("w")
    moment = datetime.fromtimestamp(fleet.run.now() + 86400, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    mend = "Cancel it and submit it without `runAt` to run it now."
    job = waits(fleet, f"its time, {moment}", mend, runAt=moment)
    fleet.api.cancel(job)
    await started(fleet, sim, fleet.submit())


async def a_retry(fleet: Fleet) -> None:
    """it is run again in a moment"""
    sim = await fleet.worker("w")
    job_id = fleet.submit(maxRetries=2, backoff={"firstSec": 2, "maxSec": 2})
    await sim.done(await sim.run(), 75)
    shown = fleet.waits(job_id, "retries in ")
    assert shown["waitingFor"].endswith(" (run 2 of 3): exit code 75"), shown["waitingFor"]
    assert shown["waitingMend"] is None
    await started(fleet, sim, job_id)


QUEUES: tuple[Queue, ...] = (
    nobody, nobody_with_a_label, away, two_away, another_value, no_label, any_value, nearest_of_three, two_labels,
    taken_away, gone_over, called_otherwise, too_little_memory, too_few_cores, labelled_but_small, label_and_memory,
    cores_and_memory, no_limits, its_time, a_retry, *queues_busy.QUEUES,
    *queues_ways.QUEUES,
)  # fmt: skip
