"""The readers: they only read, each alone with its connection, and no more wait than may."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.errors import Unavailable
from cmdexec.runtime import ThreadPool
from cmdexec.store.sqlite.connection import Connection, StorageFault
from cmdexec.store.sqlite.readers import Readers
from tests.contract.engines import HandClock, runtime_with


class Made:
    """Makes connections and counts them; `fault` is raised in place of the next ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.fault: Exception | None = None

    def __call__(self) -> Connection:
        if self.fault is not None:
            raise self.fault
        self.count += 1
        connection = Connection(self.path, cache_kib=512, busy_ms=100)
        connection.only_read()
        return connection


@pytest.fixture
def made(tmp_path: Path) -> Made:
    path = tmp_path / "notes.sqlite"
    path.touch()
    connection = Connection(path, cache_kib=512, busy_ms=100)
    connection.run("CREATE TABLE notes (note TEXT)")
    connection.close()
    return Made(path)


@pytest.fixture
async def readers(made: Made) -> AsyncIterator[Readers]:
    threads = ThreadPool(3, "test-readers")
    readers = Readers(made, runtime_with(HandClock(), threads), queue_items=5)
    yield readers
    readers.close()
    threads.close()


async def test_a_reader_cannot_write(readers: Readers) -> None:
    with pytest.raises(Unavailable):
        await readers.run(lambda db: db.run("INSERT INTO notes VALUES ('written')"))
    assert await readers.run(lambda db: db.rows("SELECT * FROM notes")) == []


async def test_calls_at_once_have_a_connection_each_and_later_ones_use_them_again(readers: Readers, made: Made) -> None:
    meet = threading.Barrier(3, timeout=10)

    def read(db: Connection) -> int:
        meet.wait()
        return id(db)

    assert len(set(await asyncio.gather(*(readers.run(read) for _ in range(3))))) == 3
    for _ in range(10):
        await readers.run(lambda db: db.rows("SELECT * FROM notes"))
    assert made.count == 3


async def test_more_than_may_wait_are_refused_and_room_comes_back(readers: Readers) -> None:
    go = threading.Event()

    def read(_: Connection) -> bool:
        return go.wait(10)

    waiting = [asyncio.ensure_future(readers.run(read)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await readers.run(read)
    assert caught.value.code == "overloaded"
    go.set()
    assert await asyncio.gather(*waiting) == [True] * 5
    assert await readers.run(read)


async def test_a_disk_that_cannot_be_read_is_told_as_away_without_the_engines_words(
    readers: Readers, made: Made
) -> None:
    made.fault = StorageFault("IOError: disk I/O error")
    with pytest.raises(Unavailable) as caught:
        await readers.run(lambda db: db.rows("SELECT 1"))
    assert caught.value.code == "store_away"
    assert "I/O" not in str(caught.value)
    made.fault = None
    assert await readers.run(lambda db: db.rows("SELECT 1")) == [(1,)]


async def test_a_call_that_runs_while_the_store_closes_ends_well_and_its_connection_closes_too(
    readers: Readers, made: Made
) -> None:
    begun, go = threading.Event(), threading.Event()
    used: list[Connection] = []

    def read(db: Connection) -> list[tuple[int]]:
        used.append(db)
        begun.set()
        go.wait(10)
        return db.rows("SELECT 1")

    reading = asyncio.ensure_future(readers.run(read))
    await asyncio.to_thread(begun.wait, 10)
    readers.close()
    go.set()
    assert await reading == [(1,)]
    with pytest.raises(Exception, match="closed"):
        used[0].rows("SELECT 1")
    with pytest.raises(Unavailable):
        await readers.run(read)
