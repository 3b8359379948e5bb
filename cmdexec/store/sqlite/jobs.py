"""Reading jobs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cmdexec.model.job import Job, Status
from cmdexec.store.contract.reads import Overdue
from cmdexec.store.sqlite.connection import Connection, Row
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.readers import Readers
from cmdexec.store.sqlite.rows import decode

_SQL = load("jobs")
_TALLY = load("tally")


class SqliteJobReads:
    """`cmdexec.store.contract.reads.JobReads`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        def read(db: Connection) -> list[Job | None]:
            return [_job(db.row(_SQL["by_id"], (job_id,))) for job_id in job_ids]

        return await self._readers.run(read)

    async def by_submit_keys(self, keys: Sequence[str]) -> list[Job]:
        return await self._readers.run(lambda db: with_keys(db, keys))

    async def held_by(self, worker_id: str, after: str = "", limit: int = 1000) -> list[Job]:
        return await self._list("held_by", worker_id, after, limit)

    async def waiting_of(self, owner: str) -> int:
        return await self._number(_TALLY["waiting_of"], owner)

    async def assigned_elsewhere(self, worker_id: str, before: int, limit: int) -> list[Job]:
        return await self._list("assigned_elsewhere", before, worker_id, limit)

    async def overdue(self, now: int, lost_before: int, limit: int) -> Overdue:
        def read(db: Connection) -> Overdue:
            return Overdue(
                due=_jobs(db.rows(_SQL["due"], (now, limit))),
                expired=_jobs(db.rows(_SQL["expired"], (now, limit))),
                lost=_jobs(db.rows(_SQL["lost"], (lost_before, limit))),
            )

        return await self._readers.run(read)

    async def counts(self) -> dict[Status, int]:
        rows = await self._readers.run(lambda db: db.rows(_TALLY["all"]))
        counted: Counter[Status] = Counter()
        for status, jobs in rows:
            counted[Status(status)] += jobs
        return {status: counted[status] for status in Status}

    async def _list(self, query: str, *bindings: Any) -> list[Job]:
        return await self._readers.run(lambda db: list(_jobs(db.rows(_SQL[query], bindings))))

    async def _number(self, sql: str, *bindings: Any) -> int:
        row = await self._readers.run(lambda db: db.row(sql, bindings))
        return int(row[0]) if row else 0


def with_keys(db: Connection, keys: Sequence[str]) -> list[Job]:
    """The jobs with these submit keys, as `JobReads.by_submit_keys`."""
    return [decode(doc) for key in keys for (doc,) in db.rows(_SQL["by_submit_key"], (key,))]


def _job(row: Row | None) -> Job | None:
    return decode(row[0]) if row else None


def _jobs(rows: Sequence[Row]) -> tuple[Job, ...]:
    return tuple(decode(row[0]) for row in rows)
