"""Whether the store does its work, and how much room it has."""

import shutil
from pathlib import Path

from cmdexec.runtime import Runtime
from cmdexec.store.contract.reads import Room
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.writer import Writer

_SQL = load("health")


class SqliteHealth:
    """`cmdexec.store.contract.reads.Health`."""

    def __init__(self, writer: Writer, runtime: Runtime, folder: Path) -> None:
        self._writer = writer
        self._runtime = runtime
        self._folder = folder

    async def commit(self) -> None:
        await self._writer.run(lambda transaction: transaction.db.run(_SQL["beat"]))

    async def room(self) -> Room:
        return Room(await self._runtime.threads.run(lambda: free_bytes(self._folder)))

    def last_write(self) -> float | None:
        return self._writer.last_write


def free_bytes(folder: Path) -> int | None:
    """Bytes that an ordinary user may still write there; None where the system cannot tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
