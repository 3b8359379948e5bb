"""Reading the classes of queued jobs: what the index of the queue says, so there is no count that could be wrong."""

import asyncio
from collections.abc import Sequence

from cmdexec.model.job import Status
from cmdexec.store.contract.classes import ClassRow
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import needs_in
from cmdexec.store.mongo.jobs import count

_COUNTED_MAX = 10_000
"""The most jobs of a class that are counted: walking the index of a million takes a second."""

_QUEUED = Status.QUEUED.value
_ORDER = [("rank", 1), ("seq", 1)]


class MongoClasses:
    """`cmdexec.store.contract.classes.Classes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, klasses: Sequence[str]) -> list[ClassRow | None]:
        return await asyncio.gather(*(self._row(klass) for klass in klasses))

    async def all(self, after: str = "", limit: int = 1000) -> list[ClassRow]:
        which = {"status": _QUEUED, "klass": {"$gt": after}}
        found: list[str] = await self._connection.read(lambda: self._connection.jobs.distinct("klass", which))
        return [row for row in await self.get(sorted(found)[: max(0, limit)]) if row is not None]

    async def fronts(self, klasses: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        found = await asyncio.gather(*(self._front(klass, {"_id": 1}, limit) for klass in klasses))
        return [tuple(one["_id"] for one in front) for front in found]

    async def _row(self, klass: str) -> ClassRow | None:
        front, jobs = await asyncio.gather(
            self._front(klass, {"rank": 1, "needs": 1}, 1),
            count(self._connection, {"status": _QUEUED, "klass": klass}, _COUNTED_MAX),
        )
        return ClassRow(klass, needs_in(front[0]), max(1, jobs), front[0]["rank"]) if front else None

    async def _front(self, klass: str, fields: Document, limit: int) -> list[Document]:
        if limit <= 0:
            return []
        which = {"status": _QUEUED, "klass": klass}
        return await self._connection.read(
            lambda: self._connection.jobs.find(which, fields).sort(_ORDER).limit(limit).to_list(None)
        )
