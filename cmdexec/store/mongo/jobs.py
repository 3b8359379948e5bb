"""Reading jobs. Those of a batch that is not complete yet are not there for anybody."""

import asyncio
from collections.abc import Sequence
from typing import Any

from cmdexec.model.job import HELD, WAITING, Job, Status
from cmdexec.store.contract.reads import Overdue
from cmdexec.store.mongo.batches import Batches
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import IS_STORED, STAGED, job_of

_COUNTED_MAX = 1_000_000
"""The most waiting jobs of one owner that are counted."""

_HELD = [status.value for status in HELD]
_WAITING = [status.value for status in WAITING]

Order = Sequence[tuple[str, int]]


class MongoJobReads:
    """`cmdexec.store.contract.reads.JobReads`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._batches = Batches(connection)

    async def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        which = {"_id": {"$in": list(dict.fromkeys(job_ids))}, "status": IS_STORED}
        found = {job.job_id: job for job in await self._find(which)}
        return [found.get(job_id) for job_id in job_ids]

    async def by_submit_keys(self, keys: Sequence[str]) -> list[Job]:
        hidden = await self._connection.read(
            lambda: self._connection.jobs.find(
                {"submitKey": {"$in": list(keys)}, "status": STAGED}, {"batch": 1}
            ).to_list(None)
        )  # fmt: skip
        if hidden:  # some of a batch may be seen already, and the rest not
            await self._batches.settle({one["batch"] for one in hidden}, give_up=False)
        return await with_keys(self._connection, keys)

    async def held_by(self, worker_id: str, after: str = "", limit: int = 1000) -> list[Job]:
        which = {"status": {"$in": _HELD}, "workerId": worker_id, "_id": {"$gt": after}}
        return await self._find(which, [("_id", 1)], limit)

    async def waiting_of(self, owner: str) -> int:
        return await count(self._connection, {"owner": owner, "status": {"$in": _WAITING}}, _COUNTED_MAX)

    async def assigned_elsewhere(self, worker_id: str, before: int, limit: int) -> list[Job]:
        which = {"status": Status.ASSIGNED.value, "assignedAt": {"$lte": before}, "workerId": {"$ne": worker_id}}
        return await self._find(which, [("assignedAt", 1), ("seq", 1)], limit)

    async def overdue(self, now: int, lost_before: int, limit: int) -> Overdue:
        due, expired, lost = await asyncio.gather(
            self._first("dueAt", {"$lte": now}, limit),
            self._first("expiresAt", {"$lte": now}, limit),
            self._first("unknownAt", {"$lt": lost_before}, limit),
        )
        return Overdue(tuple(due), tuple(expired), tuple(lost))

    async def counts(self) -> dict[Status, int]:
        counted = await asyncio.gather(*(count(self._connection, {"status": status.value}) for status in Status))
        return dict(zip(Status, counted, strict=True))

    async def _first(self, field: str, when: Document, limit: int) -> list[Job]:
        return await self._find({field: when, "status": IS_STORED}, [(field, 1)], limit)

    async def _find(self, which: Document, order: Order = (), limit: int | None = None) -> list[Job]:
        if limit is not None and limit <= 0:
            return []

        def find() -> Any:
            cursor = self._connection.jobs.find(which, {"doc": 1}).limit(limit or 0)
            return (cursor.sort(list(order)) if order else cursor).to_list(None)

        return [job_of(found) for found in await self._connection.read(find)]


async def count(connection: Connection, which: Document, most: int | None = None) -> int:
    """How many jobs are such, up to `most`: counted in an index, without a look at the jobs."""
    command: Document = {"count": "jobs", "query": which, "readConcern": {"level": "majority"}}
    if most is not None:
        command["limit"] = most
    found = await connection.read(lambda: connection.database.command(command))
    return int(found["n"])


async def with_keys(connection: Connection, keys: Sequence[str]) -> list[Job]:
    """The jobs with these submit keys that everybody sees, as `JobReads.by_submit_keys`."""
    which = {"submitKey": {"$in": list(dict.fromkeys(keys))}, "status": IS_STORED}
    fields = {"submitKey": 1, "keyedJobs": 1, "seq": 1, "doc": 1}
    first = await connection.read(lambda: connection.jobs.find(which, fields).to_list(None))
    jobs = {one["seq"]: job_of(one) for one in first}
    runs = {one["submitKey"]: range(one["seq"], one["seq"] + one["keyedJobs"]) for one in first}
    others = [{"seq": {"$gt": run.start, "$lt": run.stop}} for run in runs.values() if len(run) > 1]
    if others:
        found = await connection.read(
            lambda: connection.jobs.find({"$or": others, "status": IS_STORED}, {"seq": 1, "doc": 1}).to_list(None)
        )
        jobs |= {one["seq"]: job_of(one) for one in found}
    return [jobs[seq] for key in keys for seq in runs.get(key, ()) if seq in jobs]
