"""The writer: whose fault is whose, how much may wait, and how the log is kept short."""

import asyncio
import os
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import Conflict, Unavailable
from cmdexec.runtime import Inline
from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Bounds, Writer
from tests.support.waiting import until
from tests.unit.store.notes import Make, note, outcomes, stored


def whole(path: Path) -> int:
    """How large the file is once all that is written stands in it: its last page is moved last."""
    connection = Connection(path, cache_kib=512, busy_ms=1000)
    try:
        return int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
    finally:
        connection.close()


def tally(path: Path) -> list[tuple[Any, ...]]:
    connection = Connection(path, cache_kib=512, busy_ms=1000)
    try:
        return connection.rows("SELECT owner, status, jobs FROM tally WHERE jobs <> 0 ORDER BY owner")
    finally:
        connection.close()


@pytest.mark.parametrize("inline", [False, True], ids=["a thread", "inline"])
async def test_a_fault_in_one_call_undoes_that_call_alone(make: Make, path: Path, inline: bool) -> None:
    writer = make(threads=Inline()) if inline else make()
    fault = RuntimeError("a bug")
    got = await outcomes(*(writer.run(note(text, fault if text in "bd" else None)) for text in "abcde"))
    assert got == ["a", fault, "c", fault, "e"]
    assert stored(path) == ["a", "c", "e"]
    assert tally(path) == [("a", "noted", 1), ("c", "noted", 1), ("e", "noted", 1)]


def grouped(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each commit has."""
    sizes: list[int] = []
    commit = writer._commit

    def counted(group: list[Any]) -> None:
        sizes.append(len(group))
        commit(group)

    monkeypatch.setattr(writer, "_commit", counted)
    return sizes


async def test_a_call_shares_its_commit_with_the_one_that_it_brings_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is answered first: it has further to go."""
    writer = make()
    sizes = grouped(writer, monkeypatch)
    answered: list[str] = []
    async with asyncio.TaskGroup() as tasks:

        async def run(text: str, standing: Callable[[], None] | None = None) -> None:
            answered.append(await writer.run(note(text), standing=standing))

        tasks.create_task(run("a", lambda: tasks.create_task(run("b")) and None))
    assert (answered, sizes) == (["b", "a"], [2])


async def test_a_call_that_brings_on_nothing_waits_for_nobody(make: Make, path: Path) -> None:
    stood: list[list[str]] = []
    writer = make()
    async with asyncio.timeout(5):
        for text in "ab":
            assert await writer.run(note(text), standing=lambda: stood.append(stored(path))) == text
    assert stood == [[], ["a"]], "it is told before it is stored, and of one that stands after the others"


async def test_a_call_that_is_kept_back_is_written_when_the_writer_is_closed(make: Make, path: Path) -> None:
    writer = make()
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(writer.run(note("a"), standing=lambda: tasks.create_task(writer.close())))
    assert (await run, stored(path)) == ("a", ["a"])


async def test_a_refusal_is_told_to_its_caller_and_the_group_is_not_run_again(make: Make, path: Path) -> None:
    writer = make()
    runs: list[str] = []

    def counted(transaction: Transaction) -> str:
        runs.append("run")
        return note("counted")(transaction)

    def refuse(transaction: Transaction) -> None:
        raise Conflict("conflict", "not so")

    got = await outcomes(writer.run(counted), writer.run(refuse), writer.run(note("after")))
    assert [isinstance(one, Conflict) for one in got] == [False, True, False]
    assert (runs, stored(path)) == (["run"], ["after", "counted"])


async def test_more_calls_than_may_wait_are_refused_and_room_comes_back(make: Make, path: Path) -> None:
    writer = make(Bounds(queue_items=5, queue_bytes=1 << 20))
    got = await outcomes(*(writer.run(note(str(number))) for number in range(8)))
    assert got[:5] == ["0", "1", "2", "3", "4"]
    assert [isinstance(one, Unavailable) and one.code for one in got[5:]] == ["overloaded"] * 3
    assert await writer.run(note("later")) == "later"
    assert stored(path) == ["0", "1", "2", "3", "4", "later"]


async def test_more_bytes_than_may_wait_are_refused_but_one_call_of_any_size_is_taken(make: Make) -> None:
    writer = make(Bounds(queue_items=100, queue_bytes=100))
    got = await outcomes(writer.run(note("a"), 60), writer.run(note("b"), 60), writer.run(note("c"), 40))
    assert [type(one) for one in got] == [str, Unavailable, str]
    assert await writer.run(note("large"), 5000) == "large"


@pytest.mark.parametrize(("group_items", "group_bytes", "most"), [(7, 1 << 20, 7), (100, 100, 3)])
async def test_groups_are_bounded_and_keep_the_order(
    make: Make, path: Path, group_items: int, group_bytes: int, most: int
) -> None:
    writer = make(Bounds(queue_items=1000, queue_bytes=1 << 20, group_items=group_items, group_bytes=group_bytes))
    ran_in: list[Transaction] = []

    def in_group(text: str) -> Callable[[Transaction], str]:
        def call(transaction: Transaction) -> str:
            ran_in.append(transaction)
            return note(text)(transaction)

        return call

    texts = [f"{number:03}" for number in range(60)]
    assert await outcomes(*(writer.run(in_group(text), 30) for text in texts)) == texts
    sizes = [len(list(group)) for _, group in groupby(ran_in, key=id)]
    assert sum(sizes) == 60
    assert 2 <= max(sizes) <= most
    assert stored(path) == texts


async def test_a_caller_that_gives_up_does_not_disturb_the_others(make: Make, path: Path) -> None:
    writer = make()
    tasks = [asyncio.ensure_future(writer.run(note(text))) for text in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert await outcomes(tasks[0], tasks[2]) == ["a", "c"]
    assert stored(path) == ["a", "b", "c"]


async def test_closing_writes_what_waits_and_refuses_what_comes_after(make: Make, path: Path) -> None:
    writer = make()
    waiting = [asyncio.ensure_future(writer.run(note(str(number)))) for number in range(50)]
    await asyncio.sleep(0)
    await writer.close()
    await writer.close()
    assert await outcomes(*waiting) == [str(number) for number in range(50)]
    assert len(stored(path)) == 50
    with pytest.raises(Unavailable):
        await writer.run(note("late"))


async def test_the_log_is_moved_into_the_file_and_stays_short(make: Make, path: Path) -> None:
    writer = make(Bounds(queue_items=100, queue_bytes=1 << 20, log_pages=50))
    log = path.with_name(path.name + "-wal")
    largest = 0
    for number in range(200):
        await writer.run(note(f"{number} " + "x" * 8000))
        largest = max(largest, log.stat().st_size)
    assert largest < 5 * 50 * 4096
    assert path.stat().st_size > 200 * 8000 / 2


async def test_the_log_is_moved_when_nothing_is_written_for_a_while_and_begun_anew(make: Make, path: Path) -> None:
    """Its file stays as it is: what is there already is written sooner than what makes it longer."""
    writer = make(Bounds(queue_items=100, queue_bytes=1 << 20, idle_sec=0.02))
    log = path.with_name(path.name + "-wal")
    sizes = []
    for letter in "abcd":
        await writer.run(note(letter * 20_000))
        sizes.append(log.stat().st_size)
        await asyncio.to_thread(until, lambda: path.stat().st_size == whole(path), "the log is moved")
    assert max(sizes) == sizes[0] == log.stat().st_size
    assert len(stored(path)) == 4


async def _used(make: Make, path: Path) -> Path:
    """The log of a store that is used, and will need a log of 240 pages."""
    writer = make(Bounds(queue_items=100, queue_bytes=1 << 20, log_pages=240))
    log = path.with_name(path.name + "-wal")
    for number in range(12):
        await writer.run(note(f"{number:02} " + "x" * 8000))
    return log


async def test_the_log_of_a_store_that_is_used_has_the_room_that_it_will_need(make: Make, path: Path) -> None:
    """What is behind its end is no part of it, also for whoever finds it after a power cut."""
    log = await _used(make, path)
    await asyncio.to_thread(until, lambda: log.stat().st_size == 240 * 4096, "there is room in the log")
    after = path.parent / "after a power cut.sqlite"
    shutil.copy(path, after)
    shutil.copy(log, after.with_name(after.name + "-wal"))
    assert [text[:2] for text in stored(after)] == [f"{number:02}" for number in range(12)]


async def test_no_room_is_made_in_the_log_where_there_is_not_much(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def little(of: Path) -> os.statvfs_result:
        asked.append(of)
        return os.statvfs_result((4096, 4096, 1000, 999, 999, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", little)
    log = await _used(make, path)
    assert asked
    assert log.stat().st_size < 240 * 4096
