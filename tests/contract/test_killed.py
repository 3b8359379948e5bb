"""What was acknowledged is there after the process that wrote it was killed."""

import asyncio
import random
import subprocess
import sys
from collections import defaultdict

from cmdexec.model.job import Status
from tests.contract.engines import Place, Store
from tests.contract.writing import output_of

KILLS = 4


def write_until_killed(place: Place, first: int, lines: int) -> list[list[str]]:
    """Start the writing process, kill -9 it after so many lines, and give all the lines that it printed."""
    command = [sys.executable, "-m", "tests.contract.writing", place.engine, str(place.folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            heard = [process.stdout.readline() for _ in range(lines)]
        finally:
            process.kill()
        heard += process.stdout.readlines()
    assert len(heard) >= lines
    return [line.split() for line in heard if line.endswith("\n")]


async def check(store: Store, acknowledged: dict[str, list[list[str]]]) -> None:
    ids = {words[1] for lines in acknowledged.values() for words in lines}
    found = {one.job_id: one for one in await store.reads.jobs.get(sorted(ids)) if one}
    assert set(found) == ids
    assert all(found[words[1]].attempt == 1 for words in acknowledged["claimed"])
    assert all(found[words[1]].status is Status.COMPLETED for words in acknowledged["ended"])
    for _, job_id, size in acknowledged["output"]:
        assert await store.reads.output.read(job_id, 1, "stdout", 0, 1 << 20) in (
            output_of(job_id)[: int(size)],
            output_of(job_id),
        )
    for _, job_id in acknowledged["ended"]:
        assert await store.reads.output.read(job_id, 1, "stdout", 0, 1 << 20) == output_of(job_id)


async def test_kill_9_of_the_writing_process_loses_nothing_that_was_acknowledged(place: Place) -> None:
    chance = random.Random(9)
    acknowledged: dict[str, list[list[str]]] = defaultdict(list)
    for kill in range(KILLS):
        lines = await asyncio.to_thread(write_until_killed, place, kill * 100_000, chance.randrange(5, 200))
        for words in lines:
            acknowledged[words[0]].append(words)
        store = place.open()
        await check(store, acknowledged)
        counts = await store.reads.jobs.counts()
        assert counts[Status.COMPLETED] >= len(acknowledged["ended"])
        assert sum(counts.values()) >= len(acknowledged["inserted"])
        await place.close()
    assert len(acknowledged["ended"]) > 10
