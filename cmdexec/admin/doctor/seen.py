"""One job with what is stored of its output, read so that all of it belongs together although a server goes on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cmdexec.model.job import Job
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.output import STREAMS, OutputRow

_PIECE_BYTES = 1 << 20
_TRIES = 10
"""A job may change while it is read; then it is read again. One that changes each time is passed over."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stream of an attempt: how many bytes can be read of it, and their SHA-256 (hex)."""

    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Seen:
    """`rows` and `streams` by attempt, of those that have a row; the latter of each the streams by name."""

    job: Job
    rows: dict[int, OutputRow]
    streams: dict[int, dict[str, Stored]]


async def see(store: Inspection, job_ids: Sequence[str]) -> list[Seen]:
    """These jobs; those that have gone, or change too fast to be seen, are left out. Raises Unavailable."""
    seen: dict[str, Seen] = {}
    pending = list(job_ids)
    for _ in range(_TRIES):
        if not pending:
            break
        before = {job.job_id: job for job in await store.jobs.get(pending) if job is not None}
        found = [await _of(store, job) for job in before.values()]
        after = {job.job_id: job.rev for job in await store.jobs.get(list(before)) if job is not None}
        pending = []
        for one in found:
            if after.get(one.job.job_id) == one.job.rev:
                seen[one.job.job_id] = one
            elif one.job.job_id in after:
                pending.append(one.job.job_id)
    return [seen[job_id] for job_id in job_ids if job_id in seen]


async def _of(store: Inspection, job: Job) -> Seen:
    attempts = [attempt.number for attempt in job.attempts]
    found = await store.output.rows([(job.job_id, number) for number in attempts])
    rows = {row.attempt: row for row in found if row is not None}
    streams = {number: {name: await _read(store, row, name) for name in STREAMS} for number, row in rows.items()}
    return Seen(job, rows, streams)


async def _read(store: Inspection, row: OutputRow, stream: str) -> Stored:
    """As far as the row says that it goes: what is appended meanwhile lies behind that."""
    size, end, digest = 0, row.end(stream), hashlib.sha256()
    while size < end:
        data = await store.output.read(row.job_id, row.attempt, stream, size, min(_PIECE_BYTES, end - size))
        if not data:
            break
        size += len(data)
        digest.update(data)
    return Stored(size, digest.hexdigest())
