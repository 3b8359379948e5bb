"""A process that writes until it is killed: `python -m tests.contract.writing ENGINE FOLDER FIRST`.

It prints one line for each thing that the store has acknowledged, after the acknowledgement:
`inserted JOB`, `claimed JOB`, `ended JOB`, `output JOB BYTES`. What it appends to stdout of a job is `output_of(job)`.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from cmdexec.model.job import Status
from cmdexec.runtime import ThreadPool
from cmdexec.store.contract.jobs_write import Applied, InlineOutput
from cmdexec.store.contract.output import Append
from tests.contract.engines import ENGINES, HandClock, Store, runtime_with
from tests.contract.making import changed, inserted, job, running, wanted, write


def output_of(job_id: str) -> bytes:
    return (job_id * 40).encode()


def say(*words: object) -> None:
    print(*words, flush=True)


async def life(store: Store, number: int, say: Callable[..., None] = say) -> None:
    """One job from its submission to its end."""
    klass = f"class {number}"
    await inserted(store, job(number, klass=klass))
    say("inserted", job(number).job_id)
    (mine,) = await store.jobs_write.claim(wanted(f"claim-{number}", klasses=(klass,)))
    say("claimed", mine.job_id)
    go = running(mine)
    assert isinstance((await store.jobs_write.apply([write(mine, go, f"start-{number}", opens=1)]))[0], Applied)
    data = output_of(go.job_id)
    (outcome,) = await store.reads.output.append([Append(go.job_id, 1, "s1", "stdout", 0, data[:900], 1 << 30)])
    say("output", go.job_id, outcome.stored)
    end = changed(go, status=Status.COMPLETED)
    piece = InlineOutput("stdout", 900, data[900:])
    change = write(go, end, f"end-{number}", append_to=1, append=(piece,), closes=1)
    assert isinstance((await store.jobs_write.apply([change]))[0], Applied)
    say("ended", go.job_id)


async def main(engine: str, folder: Path, first: int) -> None:
    store = ENGINES[engine].open(folder, runtime_with(HandClock(), ThreadPool(4, "store"), seed=first), 60.0)

    async def lane(number: int) -> None:
        while True:
            await life(store, number)
            number += 10

    async with asyncio.TaskGroup() as lanes:
        for number in range(first, first + 10):
            lanes.create_task(lane(number))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
