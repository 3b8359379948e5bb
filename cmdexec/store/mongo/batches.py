"""Several jobs that are stored all or none, without a transaction.

They are put down hidden (`documents.STAGED`). Then one document in `batches` says that all are there: that is when they
are stored, and whoever finds them hidden after that shows them. A batch of which nothing says so for long was left by a
server that died: whoever gives it up writes that down under the same id first, so that only one of both can be said.
"""

import asyncio
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from bson import ObjectId
from pymongo import UpdateMany
from pymongo.errors import BulkWriteError

from cmdexec.model.job import Status
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import STAGED

_LOOKED_AT = 1000


class Batches:
    """The batches that are not shown yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._said = connection.database["batches"]
        self._left: set[ObjectId] = set()
        self._shown: set[ObjectId] = set()
        self._swept = -inf

    async def complete(self, sizes: Mapping[ObjectId, int], statuses: Iterable[Status]) -> set[ObjectId]:
        """All their jobs, so many of each, are put down: store them, and show them as what they are. Of those that are
        not in the result it is not known: somebody else gave them up, or showed them."""
        if not sizes:
            return set()
        refused, _ = await asyncio.gather(self._say(sizes.keys(), given_up=False), self._forget(self._shown))
        complete = sizes.keys() - refused
        shown = await self._show(complete, statuses)
        self._shown = complete
        await self.drop(refused)
        return complete if shown == sum(sizes[batch] for batch in complete) else set()

    async def drop(self, batches: Several[ObjectId]) -> None:
        """Take away what is hidden of batches that will not be completed."""
        if batches:
            which = {"batch": {"$in": list(batches)}, "status": STAGED}
            await self._connection.write(lambda: self._connection.jobs.delete_many(which))

    async def settle(self, batches: Iterable[ObjectId], *, give_up: bool) -> bool:
        """Do what was not done of them: show those that are stored, drop those that are given up; of others give up
        those as well, if `give_up`. Whether none is left that may still become either."""
        asked = set(batches)
        if give_up:
            await self._say(asked, given_up=True)
        found = await self._find({"_id": {"$in": list(asked)}})
        dropped = {one["_id"] for one in found if one["givenUp"]}
        stored = {one["_id"] for one in found} - dropped
        await self._show(stored)
        await self._forget(stored)
        await self.drop(dropped)
        return len(found) == len(asked)

    async def sweep(self, apart_sec: float) -> None:
        """Settle what was there at the sweep before already, that long ago: its server died. Does nothing if that is
        not so long ago: nothing may be forgotten of what is given up while its jobs may still be on their way."""
        now = self._connection.elapsed()
        if now - self._swept < apart_sec:
            return
        self._swept = now
        said = {one["_id"] for one in await self._find({})}
        hidden = await self._connection.read(
            lambda: self._connection.jobs.find({"status": STAGED}, {"batch": 1}).limit(_LOOKED_AT).to_list(None)
        )
        there = {one["batch"] for one in hidden}
        old = set(sorted((said | there) & self._left)[:_LOOKED_AT])
        await self.settle(old, give_up=True)
        await self._forget((said - there) & old)
        self._left = said | there

    async def _say(self, batches: Several[ObjectId], *, given_up: bool) -> set[ObjectId]:
        """Say it of those of which nothing is said yet; the others."""
        documents = [{"_id": batch, "givenUp": given_up} for batch in batches]
        if not documents:
            return set()
        try:
            await self._connection.write(lambda: self._said.insert_many(documents, ordered=False))
        except BulkWriteError as fault:
            await self._connection.catch_up()
            return {wrong["op"]["_id"] for wrong in (fault.details or {})["writeErrors"]}
        return set()

    async def _show(self, batches: Several[ObjectId], statuses: Iterable[Status] = tuple(Status)) -> int:
        """Let everybody see the jobs of these, which are stored; how many were not seen before."""
        if not batches:
            return 0
        hidden: Document = {"batch": {"$in": list(batches)}, "status": STAGED}
        shown = [
            UpdateMany({**hidden, "born": status}, {"$set": {"status": status}, "$unset": {"born": "", "batch": ""}})
            for status in sorted(map(str, statuses))
        ]
        done = await self._connection.write(lambda: self._connection.jobs.bulk_write(shown, ordered=False))
        return int(done.modified_count)

    async def _forget(self, batches: Several[ObjectId]) -> None:
        if batches:
            which = {"_id": {"$in": list(batches)}}
            await self._connection.write(lambda: self._said.delete_many(which))

    async def _find(self, which: Document) -> list[Any]:
        return await self._connection.read(lambda: self._said.find(which).limit(_LOOKED_AT).to_list(None))
