"""Writing jobs: every write compares what is stored with what it was decided on."""

import heapq
from collections.abc import Callable, Generator, Sequence
from functools import partial

from cmdexec.model.batch import Batch
from cmdexec.model.birth import claimed
from cmdexec.model.job import Job, Status
from cmdexec.model.parts import Free
from cmdexec.store.contract.jobs_write import Applied, Foreseen, Inserted, JobWrite, NotWritten, Present, Wanted
from cmdexec.store.sqlite import output
from cmdexec.store.sqlite.connection import Connection, Row, Value
from cmdexec.store.sqlite.newcomers import Newcomers
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.rows import avoids, decode, encode, place, state
from cmdexec.store.sqlite.transaction import Transaction
from cmdexec.store.sqlite.writer import Writer

_SQL = load("jobs")


class SqliteJobWrites:
    """`cmdexec.store.contract.jobs_write.JobWrites`."""

    def __init__(self, writer: Writer, has_room: Callable[[], bool]) -> None:
        self._writer = writer
        self._has_room = has_room

    async def insert(self, jobs: Sequence[Job], standing: Callable[[], None] | None = None) -> Inserted | Present:
        new = Newcomers(Batch.of(jobs))

        def write(transaction: Transaction) -> Inserted | Present:
            has_room = self._has_room()
            present = new.add(transaction) if has_room else new.present(transaction.db)
            if present:
                return Present(tuple(present))
            if not has_room:
                raise self._writer.disk_full()
            return Inserted()

        return await self._writer.run(write, new.size, standing)

    async def claim(self, wanted: Wanted, foreseen: Foreseen | None = None) -> list[Job]:
        return await self._writer.run(lambda transaction: _claim(transaction, wanted, foreseen))

    async def apply(self, writes: Sequence[JobWrite]) -> list[Applied | NotWritten]:
        rows = [(state(write.job, encode(write.job)), place(write.job)) for write in writes]
        size = sum(len(piece.data) for write in writes for piece in write.append)
        return await self._writer.run(lambda transaction: _apply(transaction, writes, rows), size)

    async def forget_submit_keys(self, before: int, limit: int) -> int:
        return await self._writer.run(
            lambda transaction: transaction.db.run(_SQL["forget_submit_keys"], (before, limit))
        )


def _claim(transaction: Transaction, wanted: Wanted, foreseen: Foreseen | None) -> list[Job]:
    db, claim = transaction.db, wanted.claim
    before = db.rows(_SQL["claimed"], (claim.claim_id,))
    if before:
        return [job for job in (decode(row[0]) for row in before) if job.status is Status.ASSIGNED]
    taken = _chosen(db, wanted)
    jobs: list[Job] = []
    weight = 0
    for seq in taken:
        if weight >= wanted.most:
            break
        job = claimed(_by_seq(db, seq), claim, wanted.now)
        db.run(_SQL["update"], (claim.claim_id, *state(job, encode(job)), *place(job), seq))
        transaction.moved(job, Status.QUEUED)
        jobs.append(job)
        weight += job.spec.weight
    if foreseen is not None and jobs:
        transaction.foretell(partial(foreseen, jobs), wanted.follows_sec)
    return jobs


def _by_seq(db: Connection, seq: int) -> Job:
    """The stored job of that number, which the transaction has seen."""
    ((doc,),) = db.rows(_SQL["by_seq"], (seq,))
    return decode(doc)


def _chosen(db: Connection, wanted: Wanted) -> list[int]:
    """The numbers of the jobs to claim, best first; reads no further into the classes than that takes."""
    classes = {klass: db.each(_SQL["claimable"], (klass,)) for klass in dict.fromkeys(wanted.klasses)}
    taken: list[int] = []
    free = None if wanted.free is None else Free(wanted.free)
    try:
        heads = [head for klass, rows in classes.items() if (head := _next(rows, klass, wanted)) is not None]
        heapq.heapify(heads)
        first = True
        while heads and len(taken) < wanted.limit:
            _, seq, klass = heads[0]
            part = None if free is None else wanted.parts.get(klass)
            fits = part is None or free is None or part.within(free)
            if fits or (wanted.ahead and first):
                taken.append(seq)
                if part is not None and free is not None and fits:
                    free.take(part)
            following = _next(classes[klass], klass, wanted) if fits else None
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, following)
            first = False
    finally:
        for rows in classes.values():
            rows.close()
    return taken


def _next(rows: Generator[Row, None, None], klass: str, wanted: Wanted) -> tuple[int, int, str] | None:
    """Rank, number and class of the next job there that the worker may have."""
    for rank, seq, avoid in rows:
        if not avoids(avoid, wanted.claim.avoided_as):
            return rank, seq, klass
    return None


def _apply(
    transaction: Transaction, writes: Sequence[JobWrite], rows: Sequence[tuple[tuple[Value, ...], tuple[Value, ...]]]
) -> list[Applied | NotWritten]:
    db = transaction.db
    conflicted: set[str] = set()
    outcomes: list[Applied | NotWritten] = []
    for index, (write, (new_state, new_place)) in enumerate(zip(writes, rows, strict=True)):
        job = write.job
        row = db.row(_SQL["written"], (job.job_id,))
        if row is None:
            outcomes.append(NotWritten(None))
            continue
        seq, rev, change_id, status, *_ = row
        if rev == write.rev and job.job_id not in conflicted:
            stored = output.row_of(db, seq, write.closes) if write.closes is not None else None
            other = _other_output(write, stored)
            if other is not None:
                conflicted.add(job.job_id)
                outcomes.append(NotWritten(_by_seq(db, seq), other))
                continue
            _change_output(db, seq, write, stored)
            if new_place == row[4:]:
                db.run(_SQL["move"], (write.change_id, *new_state, seq))
            else:
                db.run(_SQL["update"], (write.change_id, *new_state, *new_place, seq))
            transaction.moved(job, status)
            outcomes.append(Applied(job))
        elif _was_written(job.job_id, change_id, writes[index:]):
            outcomes.append(Applied(job))
        else:
            conflicted.add(job.job_id)
            outcomes.append(NotWritten(_by_seq(db, seq)))
    return outcomes


def _other_output(write: JobWrite, stored: Row | None) -> tuple[int, int] | None:
    """How long the output is that the change closes, if it was decided on another length. `stored`: its row."""
    if write.closes is None or write.measured is None:
        return None
    lengths = (0, 0) if stored is None else stored[2:]
    return None if lengths == write.measured else lengths


def _change_output(db: Connection, seq: int, write: JobWrite, closed: Row | None) -> None:
    """What the change does to output rows: open, append, close, in this order. `closed`: that which it closes."""
    session = write.job.session or ""
    if write.opens is not None:
        output.open_row(db, seq, write.opens, session)
    if write.append_to is not None and write.append:
        closes = write.closes == write.append_to
        row = closed if closes and write.opens is None else output.row_of(db, seq, write.append_to)
        output.store_inline(db, seq, write.append_to, row, session, write.append, closes=closes)
    if write.closes is not None and (write.closes != write.append_to or not write.append):
        output.close_row(db, seq, write.closes)


def _was_written(job_id: str, change_id: str | None, rest: Sequence[JobWrite]) -> bool:
    """Whether an earlier call with the same writes got this one written: the job's last change is this one or one of
    those after it, which are written only after it."""
    return any(write.change_id == change_id and write.job.job_id == job_id for write in rest)
