"""The floor of submission: the same rows by SQLite alone, without a flush."""

from pathlib import Path

from cmdexec.clock import Clock
from cmdexec.ids import Ids
from cmdexec.model.birth import queued
from cmdexec.model.job import Spec
from cmdexec.store.sqlite import schema
from cmdexec.store.sqlite.connection import Connection, Value
from cmdexec.store.sqlite.queries import load
from cmdexec.store.sqlite.rows import encode, place, state

_CACHE_KIB = 6 * 1024


def inserts_per_sec(folder: Path, command: tuple[str, ...], lists: int, length: int, clock: Clock, ids: Ids) -> float:
    """Rows a second, by lists of `length`, into a table with the store's own columns and indexes. Blocks."""
    rows = [[_row(command, clock, ids) for _ in range(length)] for _ in range(lists)]
    path = folder / "floor.sqlite"
    schema.make_file(path)
    db = Connection(path, cache_kib=_CACHE_KIB, busy_ms=1000)
    try:
        db.write_durably(log_keep_bytes=8 << 20)
        schema.bring_up_to_date(db, 0)
        db.run("PRAGMA synchronous = OFF")
        insert = load("jobs")["insert"]
        began = clock.elapsed()
        for some in rows:
            db.run("BEGIN IMMEDIATE")
            db.run_each(insert, some)
            db.run("COMMIT")
        return lists * length / (clock.elapsed() - began)
    finally:
        db.close()


def _row(command: tuple[str, ...], clock: Clock, ids: Ids) -> tuple[Value, ...]:
    job = queued(
        Spec(command=command), job_id=ids.new(), owner=ids.new(), submit_key=ids.new(), body_hash=ids.new(),
        now=clock.now(), age_ms=0,
    )  # fmt: skip
    return (job.job_id, job.owner, job.submit_key, job.created_at, *state(job, encode(job)), *place(job))
