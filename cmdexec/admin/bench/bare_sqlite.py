"""The floor of submission: what any program has to do that puts jobs into SQLite, and nothing is flushed.

It has a table of its own, so that an index more in the store makes the figure worse, as it should, and no floor slower.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cmdexec.runtime import Runtime

_TABLES = """
PRAGMA journal_mode = wal;
PRAGMA synchronous = OFF;
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, job_id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, rank INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE INDEX jobs_queued ON jobs (status, rank);
"""
_INSERT = "INSERT INTO jobs (job_id, status, rank, doc) VALUES (?, ?, ?, ?)"
_QUEUED = "queued"


class BareSqlite:
    """A table with the two indexes without which nobody can find a job or take the next. Blocks."""

    def __init__(self, folder: Path, command: tuple[str, ...], runtime: Runtime) -> None:
        self._command = command
        self._runtime = runtime
        self._db = sqlite3.connect(folder / "floor.sqlite", isolation_level=None, check_same_thread=False)
        self._db.executescript(_TABLES)

    def insert_sec(self, count: int) -> float:
        """How long it takes to add a list of `count` jobs: to name each, to write it as JSON and to insert it, all in
        one transaction."""
        clock = self._runtime.clock
        began = clock.elapsed()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(_INSERT, self._rows(count))
        self._db.execute("COMMIT")
        return clock.elapsed() - began

    def close(self) -> None:
        self._db.close()

    def _rows(self, count: int) -> Iterator[tuple[str, str, int, str]]:
        for _ in range(count):
            job_id, now = self._runtime.ids.new(), self._runtime.clock.now()
            job = {"jobId": job_id, "command": self._command, "status": _QUEUED, "createdAt": now}
            yield job_id, _QUEUED, now, json.dumps(job)
