"""New jobs on their way into the file.

Mostly many come at once that are the same in all columns but their ids and documents: such a run goes in by one
statement, during which the interpreter does other things; and of jobs that are alike the document is made once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from cmdexec.model.batch import Batch
from cmdexec.model.job import Job
from cmdexec.store.sqlite.connection import TAKES_TABLES, Connection, ConstraintBroken, Value
from cmdexec.store.sqlite.jobs import with_keys
from cmdexec.store.sqlite.listing import add_words, words
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.rows import encode, place, state
from cmdexec.store.sqlite.transaction import Transaction

_SQL = load("jobs")

_Columns = tuple[Value, ...]


class _Run:
    """Jobs next to each other that are the same in all these columns. `values`: of each its id, then its document."""

    __slots__ = ("columns", "id_size", "values")

    def __init__(self, id_size: int, columns: _Columns) -> None:
        self.id_size = id_size
        self.columns = columns
        self.values: list[bytes] = []

    def add(self, db: Connection) -> None:
        size = self.id_size
        if len(self.values) > 1 and TAKES_TABLES:
            db.run_over(_SQL["insert_run"], (size, *self.columns), self.values)
        else:
            rows = [(value[:size].decode(), value[size:], *self.columns) for value in self.values]
            db.run_each(_SQL["insert"], rows)


class Newcomers:
    """Made where the jobs come from; `present` and `add` are called in a transaction. `size`: bytes that it adds."""

    def __init__(self, jobs: Batch) -> None:
        self._kinds = [(job, len(ids)) for job, ids in jobs.kinds]
        self._keys: list[tuple[str, int, int, int]] = []
        before = 0
        for (key, created_at), run in groupby(self._kinds, key=_submission):
            count = sum(count for _, count in run)
            if key:
                self._keys.append((key, created_at, before, count))
            before += count
        self._called = [word for job, ids in jobs.kinds for word in words(job, ids)]
        self._runs: list[_Run] = []
        self.size = 0
        for job, ids in jobs.kinds:
            self._lay_out(job, ids)

    def present(self, db: Connection) -> list[Job]:
        """The jobs that have a key of these already."""
        return with_keys(db, [key for key, *_ in self._keys])

    def add(self, transaction: Transaction) -> list[Job]:
        """Add all, or none if there are jobs already that have a key of these: then return those. Raises ValueError if
        an id, or a key within the batch, is there twice: then the call has to be undone."""
        db = transaction.db
        try:
            self._add_keys(db)
        except ConstraintBroken as fault:
            present = self.present(db)
            if not present:
                raise ValueError("a submit key is there twice in a batch") from fault
            return present
        try:
            for run in self._runs:
                run.add(db)
        except ConstraintBroken as fault:
            raise ValueError("a job id is there twice") from fault
        add_words(db, self._called)
        for job, count in self._kinds:
            transaction.born(job, count)
        return []

    def _add_keys(self, db: Connection) -> None:
        """Add all or none: a statement that fails undoes itself, so one key needs no more than that."""
        if len(self._keys) <= 1:
            for row in self._keys:
                db.run(_SQL["add_submission"], row)
            return
        db.run("SAVEPOINT keys")
        try:
            db.run_each(_SQL["add_submission"], self._keys)
        except ConstraintBroken:
            db.run("ROLLBACK TO keys")
            db.run("RELEASE keys")
            raise
        db.run("RELEASE keys")

    def _lay_out(self, job: Job, job_ids: Sequence[str]) -> None:
        doc = encode(job)
        *changing, _ = state(job, doc)
        columns = (job.created_at, *changing, *place(job))
        run = self._runs[-1] if self._runs else None
        id_size = len(job.job_id)
        if run is None or run.columns != columns or run.id_size != id_size:
            run = _Run(id_size, columns)
            self._runs.append(run)
        run.values += _values(job.job_id, doc, job_ids)
        self.size += len(doc) * len(job_ids)


def _values(job_id: str, doc: bytes, job_ids: Sequence[str]) -> Iterator[bytes]:
    """Of each job its id and its document: that of the one of `job_id`, but for the id, which comes first in it."""
    if len(job_ids) == 1:
        yield job_id.encode() + doc
        return
    before, _, after = doc.partition(job_id.encode())
    for one in job_ids:
        own = one.encode()
        yield b"".join((own, before, own, after))


def _submission(kind: tuple[Job, int]) -> tuple[str, int]:
    job, _ = kind
    return job.submit_key, job.created_at
