"""The power goes at any moment, and what was not flushed is gone, all of it, some of it, or the half of a page: the
store opens, nothing that was acknowledged is missing, and no list and no output is there in part.

Longer: `CMDEXEC_POWER_CUTS=2000 python -m pytest tests/faults/test_power_cut.py`.
"""

import asyncio
import os
import random
from pathlib import Path

import apsw
import pytest

from cmdexec.model.job import Status
from cmdexec.runtime import Inline, ThreadPool
from cmdexec.store.sqlite.engine import FILE, SqliteStore, open_sqlite
from tests.contract.engines import HandClock, runtime_with
from tests.contract.making import inserted, job, jobs
from tests.contract.test_killed import check
from tests.contract.writing import life, output_of
from tests.support.power import Cutter, Event, Said, recorded

CUTS = int(os.environ.get("CMDEXEC_POWER_CUTS", "150"))
LANES = 4
LIST = 7
ROUNDS = 12
"""Of jobs in each lane: what is recorded."""

SEED = 20_261_126


async def record(folder: Path) -> list[Event]:
    """Jobs from their submission to their end, and lists, side by side in a store, and all that comes of it."""
    threads = ThreadPool(4, "test-power")
    with recorded() as events:
        store = open_sqlite(folder, runtime_with(HandClock(), threads), queue_items=10_000, disk_reserve_bytes=0)

        def say(*words: object) -> None:
            events.append(Said(tuple(str(word) for word in words)))

        async def lane(first: int) -> None:
            for number in range(first, first + ROUNDS):
                await life(store, number, say)

        async def lists() -> None:
            for number in range(ROUNDS):
                await inserted(store, *jobs(LIST, first=_of_list(number), klass="list"))
                say("list", number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(LANES):
                tasks.create_task(lane(number * 1000))
            tasks.create_task(lists())
        until = len(events)
        await store.close()
    threads.close()
    return events[:until]


def _of_list(number: int) -> int:
    return 1_000_000 + number * LIST


async def look(store: SqliteStore, said: list[tuple[str, ...]]) -> None:
    """Nothing acknowledged is missing, and nothing is there in part."""
    heard: dict[str, list[list[str]]] = {word: [] for word in ("inserted", "claimed", "output", "ended", "list")}
    for word, *rest in said:
        heard[word].append([word, *rest])
    lists = {int(number) for _, number in heard.pop("list")}
    await check(store, heard)
    for number in range(ROUNDS):
        ids = [job(_of_list(number) + place).job_id for place in range(LIST)]
        there = sum(one is not None for one in await store.reads.jobs.get(ids))
        assert there in ((LIST,) if number in lists else (0, LIST)), f"{there} jobs of list {number}"
    ids = [job(lane * 1000 + number).job_id for lane in range(LANES) for number in range(ROUNDS)]
    for one in await store.reads.jobs.get(ids):
        if one is not None and one.attempt:
            stored = await store.reads.output.read(one.job_id, 1, "stdout", 0, 1 << 20)
            assert output_of(one.job_id).startswith(stored)
            assert one.status is not Status.COMPLETED or stored == output_of(one.job_id)


@pytest.mark.timeout(60 + CUTS)
async def test_what_was_acknowledged_outlives_the_power(tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    events = await record(tmp_path / "recorded")
    rng = random.Random(SEED)
    cuts = sorted(rng.choices(range(1, len(events) + 1), k=CUTS))
    cutter = Cutter(rng)
    done = 0
    for number, at in enumerate(cuts):
        for event in events[done:at]:
            cutter.take(event)
        done = at
        folder = tmp_path / f"cut-{number}"
        folder.mkdir(mode=0o700)
        cutter.cut(folder)
        if not (folder / FILE).exists():
            assert not cutter.said, "nothing was acknowledged before there was a file"
            continue
        try:
            await found_after(folder, cutter.said)
        except BaseException as wrong:
            wrong.add_note(f"seed {SEED}: cut {number}, after {at} of {len(events)} events; it is in {folder}")
            raise
    assert cutter.lost > CUTS, "cuts lost what was not flushed"


async def found_after(folder: Path, said: list[tuple[str, ...]]) -> None:
    if said:
        with apsw.Connection(str(folder / FILE)) as database:
            assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]
        database.close()
    store = open_sqlite(folder, runtime_with(HandClock(), Inline()), queue_items=10_000, disk_reserve_bytes=0)
    try:
        await look(store, said)
    finally:
        await store.close()
