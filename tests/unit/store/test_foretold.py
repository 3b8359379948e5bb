"""What a call foretells is told before its commit, and what is made upon that shares it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmdexec.runtime import Inline
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Bounds, Writer
from tests.unit.store.notes import Make, note, outcomes, stored


def commits(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those that are made from now on."""
    made: list[str] = []
    run = writer._db.run

    def noted(sql: str, *values: Any) -> int:
        if sql == "COMMIT":
            made.append(sql)
        return run(sql, *values)

    monkeypatch.setattr(writer._db, "run", noted)
    return made


async def test_what_is_foretold_is_told_before_the_commit(make: Make, path: Path) -> None:
    writer, seen = make(threads=Inline()), list[list[str]]()

    def write(transaction: Transaction) -> None:
        note("a")(transaction)
        transaction.foretell(lambda: seen.append(stored(path)))

    await writer.run(write)
    assert seen == [[]]
    assert stored(path) == ["a"]


async def test_what_is_foretold_is_told_on_the_loop_once_and_before_the_call_returns(make: Make) -> None:
    writer, told = make(), list[str]()

    def write(text: str) -> Callable[[Transaction], None]:
        def call(transaction: Transaction) -> None:
            transaction.foretell(lambda: (asyncio.get_running_loop(), told.append(text))[1])
            note(text)(transaction)

        return call

    await asyncio.gather(writer.run(write("a")), writer.run(note("b", RuntimeError("a bug"))), return_exceptions=True)
    assert told == ["a"], "although the group was run twice"


LONG_SEC = 60.0


def foretelling(text: str, tell: Callable[[], object], follows_sec: float = LONG_SEC) -> Callable[[Transaction], str]:
    """A call that writes a note and foretells that."""

    def call(transaction: Transaction) -> str:
        transaction.foretell(lambda: tell() and None, follows_sec)
        return note(text)(transaction)

    return call


async def test_what_is_made_upon_what_was_foretold_shares_the_commit(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make()
    made = commits(writer, monkeypatch)

    async def a_while_later() -> str:
        assert await asyncio.to_thread(stored, path) == []
        return await writer.run(note("b"))

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        follows: list[asyncio.Task[str]] = []
        await writer.run(foretelling("a", lambda: follows.append(tasks.create_task(a_while_later()))))
    assert (await follows[0], made, stored(path)) == ("b", ["COMMIT"], ["a", "b"])


async def test_a_fault_of_what_follows_undoes_it_alone_and_nothing_is_told_twice(make: Make, path: Path) -> None:
    writer, told, fault = make(), list[str](), RuntimeError("a bug")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        follows: list[asyncio.Task[list[object]]] = []

        def tell() -> None:
            told.append("told")
            follows.append(tasks.create_task(outcomes(writer.run(note("b", fault)))))

        assert await writer.run(foretelling("a", tell)) == "a"
    assert (await follows[0], told, stored(path)) == ([fault], ["told"], ["a"])


@pytest.mark.parametrize("follows_sec", [0.0, 0.01])
async def test_what_does_not_come_in_time_is_not_waited_for(make: Make, path: Path, follows_sec: float) -> None:
    writer = make()
    async with asyncio.timeout(10):
        await writer.run(foretelling("a", list, follows_sec))
    assert stored(path) == ["a"]


async def test_nobody_else_waits_for_what_follows(make: Make, path: Path) -> None:
    writer = make()
    async with asyncio.timeout(10):
        await asyncio.gather(
            writer.run(note("a")), writer.run(note("b")), writer.run(foretelling("c", list)), writer.run(note("d"))
        )
    assert stored(path) == ["a", "b", "c", "d"]


async def test_what_is_too_large_to_follow_has_a_commit_of_its_own(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make(Bounds(queue_items=10, queue_bytes=1 << 20, group_bytes=100))
    made = commits(writer, monkeypatch)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        await writer.run(foretelling("a", lambda: tasks.create_task(writer.run(note("b"), size=101))))
    assert (made, stored(path)) == (["COMMIT"] * 2, ["a", "b"])


async def test_a_writer_that_waits_for_what_follows_is_closed_at_once(make: Make, path: Path) -> None:
    writer = make()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        assert await writer.run(foretelling("a", lambda: tasks.create_task(writer.close()))) == "a"
    assert stored(path) == ["a"]
