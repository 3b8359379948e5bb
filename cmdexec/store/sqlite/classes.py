"""Reading the classes of queued jobs. They are written with the tally of each commit (`transaction`)."""

from collections.abc import Sequence

import msgspec

from cmdexec.model.matching import Needs
from cmdexec.store.contract.classes import ClassRow
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers

_SQL = load("classes")
_needs = msgspec.msgpack.Decoder(Needs).decode


class SqliteClasses:
    """`cmdexec.store.contract.classes.Classes`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def get(self, klasses: Sequence[str]) -> list[ClassRow | None]:
        def read(db: Connection) -> list[ClassRow | None]:
            return [_row(db.row(_SQL["get"], (klass,))) for klass in klasses]

        return await self._readers.run(read)

    async def all(self, after: str = "", limit: int = 1000) -> list[ClassRow]:
        rows = await self._readers.run(lambda db: db.rows(_SQL["all"], (after, limit)))
        return [found for found in map(_row, rows) if found is not None]

    async def fronts(self, klasses: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        def read(db: Connection) -> list[tuple[str, ...]]:
            return [tuple(job_id for (job_id,) in db.rows(_SQL["front"], (klass, limit))) for klass in klasses]

        return await self._readers.run(read)


def _row(row: Row | None) -> ClassRow | None:
    if row is None or row[3] is None:
        return None
    klass, needs, jobs, rank = row
    return ClassRow(klass, _needs(needs), jobs, rank)
