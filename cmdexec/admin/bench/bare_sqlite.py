"""The floor of submission: the same rows by SQLite alone, without a flush."""

from pathlib import Path

from cmdexec.model.birth import queued
from cmdexec.model.job import Spec
from cmdexec.runtime import Runtime
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.connection import Connection, Value
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.rows import encode, place, state

_CACHE_KIB = 6 * 1024
_OWNER = "bench"


class BareSqlite:
    """A table with the store's own columns and indexes, and nothing of it on disk for sure. Used in `with`; blocks."""

    def __init__(self, folder: Path, command: tuple[str, ...], runtime: Runtime) -> None:
        self._command = command
        self._runtime = runtime
        self._insert = load("jobs")["insert"]
        path = folder / "floor.sqlite"
        schema.make_file(path)
        self._db = Connection(path, cache_kib=_CACHE_KIB, busy_ms=1000)
        self._db.write_durably(log_keep_bytes=8 << 20)
        schema.bring_up_to_date(self._db, 0)
        self._db.run("PRAGMA synchronous = OFF")

    def insert_sec(self, count: int) -> float:
        """How long it takes to add a list of `count` rows, made before."""
        clock = self._runtime.clock
        rows = [_row(self._command, self._runtime) for _ in range(count)]
        began = clock.elapsed()
        self._db.run("BEGIN IMMEDIATE")
        self._db.run_each(self._insert, rows)
        self._db.run("COMMIT")
        return clock.elapsed() - began

    def close(self) -> None:
        self._db.close()


def _row(command: tuple[str, ...], runtime: Runtime) -> tuple[Value, ...]:
    ids = runtime.ids
    job = queued(
        Spec(command=command), job_id=ids.new(), owner=_OWNER, submit_key=ids.new(), body_hash="0" * 64,
        now=runtime.clock.now(), age_ms=0,
    )  # fmt: skip
    return (job.job_id, job.owner, job.submit_key, job.created_at, *state(job, encode(job)), *place(job))
