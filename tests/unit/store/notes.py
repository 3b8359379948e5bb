"""A store of notes, for the tests of the writer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Bounds, Writer

BOUNDS = Bounds(queue_items=1000, queue_bytes=1 << 20)
Make = Callable[..., Writer]


def connected(path: Path) -> Connection:
    path.touch()
    connection = Connection(path, cache_kib=512, busy_ms=1000)
    connection.write_durably(log_keep_bytes=1 << 20)
    connection.run("CREATE TABLE IF NOT EXISTS notes (note TEXT UNIQUE)")
    connection.run(
        "CREATE TABLE IF NOT EXISTS tally (owner TEXT, status TEXT, jobs INTEGER, PRIMARY KEY (owner, status))"
    )
    return connection


def stored(path: Path) -> list[str]:
    """What another connection sees."""
    connection = Connection(path, cache_kib=512, busy_ms=1000)
    try:
        return [note for (note,) in connection.rows("SELECT note FROM notes ORDER BY note")]
    finally:
        connection.close()


def note(text: str, then: BaseException | None = None) -> Callable[[Transaction], str]:
    """A call that writes a note and counts it; and then raises."""

    def call(transaction: Transaction) -> str:
        transaction.db.run("INSERT INTO notes VALUES (?)", (text,))
        transaction.count(text, "noted", 1)
        if then is not None:
            raise then
        return text

    return call


async def outcomes(*calls: Awaitable[object]) -> list[object]:
    return await asyncio.gather(*calls, return_exceptions=True)
