"""The jobs among which a page is looked for, by the index that narrows them most."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from cmdexec.model.job import ENDED, Status
from cmdexec.store.contract.listing import PageWanted
from cmdexec.store.mongo.chunks import chunk
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import IS_STORED
from cmdexec.store.mongo.naming import Naming

_FIELDS = ("seq", "status", "createdAt", "owner", "workerId", "reason", "name", "tags", "size", "doc")
_CHUNK_MAX = 1000
_COUNTED_MAX = 5_000
"""Jobs of some time, among which the first and last number are looked for. Numbers do not rise with time: clocks are
set."""

_LIVE = frozenset(Status) - ENDED
"""Of these there are few: what is in them is looked through whenever it was submitted."""


class Position(NamedTuple):
    """When a job was submitted, and its number."""

    at: int
    seq: int


class Candidates:
    """Of one page, in its order, beginning after a position."""

    def __init__(self, connection: Connection, wanted: PageWanted, after: Position | None) -> None:
        self._connection = connection
        self._wanted = wanted
        self._after = after
        self._way = -1 if wanted.newest_first else 1

    async def rows(self, naming: Naming | None) -> AsyncGenerator[Document, None]:
        which = self._wanted.which
        timed = which.since is not None or which.until is not None
        statuses = which.statuses or (frozenset({Status.FAILED}) if which.reasons else frozenset())
        if naming is not None and naming.numbers is not None:
            source = self._numbered(naming.numbers)
        elif which.tags:
            narrowed = await self._within() if timed else {}
            source = self._by_number({"tags": {"$in": sorted({tag.casefold() for tag in which.tags})}, **narrowed})
        elif statuses and (statuses <= _LIVE or not timed):
            source = self._by_number({"status": {"$in": sorted(map(str, statuses))}})
        elif timed:
            source = self._by_moment()
        else:
            source = self._by_number({})
        async with aclosing(source):
            async for row in source:
                yield row

    async def _numbered(self, numbers: frozenset[int]) -> AsyncGenerator[Document, None]:
        """Those of these numbers."""
        after = self._after
        left = sorted(
            (seq for seq in numbers if after is None or (seq - after.seq) * self._way > 0),
            reverse=self._wanted.newest_first,
        )
        for start in range(0, len(left), _CHUNK_MAX):
            source = self._by_number({"$and": [{"seq": {"$in": left[start : start + _CHUNK_MAX]}}]})
            async with aclosing(source):
                async for row in source:
                    yield row

    async def _by_number(self, which: Document) -> AsyncGenerator[Document, None]:
        """Those that are such, by number."""
        beyond = "$lt" if self._wanted.newest_first else "$gt"
        at = None if self._after is None else self._after.seq
        limit = self._wanted.limit + 1
        whole = False
        while not whole:
            place = {} if at is None else {"$and": [*which.get("$and", ()), {"seq": {beyond: at}}]}
            found, whole = await self._chunk({**which, **place}, ("seq",), limit)
            for row in found:
                if row["seq"] != at:
                    yield row
                at = row["seq"]
            limit = limit * 4

    async def _by_moment(self) -> AsyncGenerator[Document, None]:
        """Those of the time that is wanted, by moment and number."""
        since, until = self._wanted.which.since, self._wanted.which.until
        bounds = ({} if since is None else {"$gte": since}) | ({} if until is None else {"$lt": until})
        beyond = "$lt" if self._wanted.newest_first else "$gt"
        at = self._after
        limit = self._wanted.limit + 1
        whole = False
        while not whole:
            which: Document = {"createdAt": bounds}
            if at is not None:
                which["$or"] = [{"createdAt": {beyond: at.at}}, {"createdAt": at.at, "seq": {beyond: at.seq}}]
            found, whole = await self._chunk(which, ("createdAt", "seq"), limit)
            for row in found:
                at = Position(row["createdAt"], row["seq"])
                yield row
            limit = limit * 4

    async def _chunk(self, which: Document, order: tuple[str, ...], limit: int) -> tuple[list[Document], bool]:
        which = {"status": IS_STORED, **which}
        by = [(field, self._way) for field in order]
        return await chunk(self._connection, self._connection.jobs, which, _FIELDS, by, min(limit, _CHUNK_MAX))

    async def _within(self) -> Document:
        """Between which numbers the jobs of the time that is wanted are, if they are few."""
        since, until = self._wanted.which.since, self._wanted.which.until
        bounds = ({} if since is None else {"$gte": since}) | ({} if until is None else {"$lt": until})
        jobs = self._connection.jobs
        found = await self._connection.read(
            lambda: jobs.find({"createdAt": bounds}, {"_id": 0, "seq": 1}).limit(_COUNTED_MAX + 1).to_list(None)
        )
        numbers = [one["seq"] for one in found]
        if not numbers:
            return {"seq": {"$lt": 0}}
        return {} if len(numbers) > _COUNTED_MAX else {"seq": {"$gte": min(numbers), "$lte": max(numbers)}}
