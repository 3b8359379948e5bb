"""What a writing call gets: the connection inside a transaction, and the counts that go with it."""

from collections.abc import Callable

import msgspec

from cmdexec.model.job import Job, Spec, Status
from cmdexec.model.matching import needs_of
from cmdexec.store.sqlite.connection import Connection
from cmdexec.store.sqlite.queries import load

_TALLY = load("tally")
_CLASSES = load("classes")
_encode = msgspec.msgpack.Encoder().encode


class Transaction:
    """One group of calls on its way to one COMMIT.

    A call may be run again from its beginning after a rollback, so it changes nothing but the database. A call that
    refuses (raises CmdexecError) does so before it writes.
    """

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._tally: dict[tuple[str, str], int] = {}
        self._classes: dict[str, tuple[int, Spec]] = {}
        self.foretold: list[Callable[[], None]] = []
        self.follows_sec = 0.0

    def count(self, owner: str, status: str, jobs: int) -> None:
        """The owner has `jobs` more (or fewer) of that status."""
        key = (owner, status)
        self._tally[key] = self._tally.get(key, 0) + jobs

    def born(self, job: Job, count: int) -> None:
        """There are so many jobs more that are like this one."""
        self.count(job.owner, job.status, count)
        if job.status is Status.QUEUED:
            self._queue(job.klass, count, job.spec)

    def moved(self, job: Job, before: str) -> None:
        """The job has left the status `before` for another."""
        after = job.status
        if before == after:
            return
        self.count(job.owner, before, -1)
        self.count(job.owner, after, 1)
        if after is Status.QUEUED:
            self._queue(job.klass, 1, job.spec)
        elif before == Status.QUEUED:
            self._queue(job.klass, -1, job.spec)

    def foretell(self, tell: Callable[[], None], follows_sec: float = 0.0) -> None:
        """Call that on the event loop when all is done but the COMMIT. `follows_sec`: how long that may wait for a call
        that is made upon it, so that both share it."""
        self.foretold.append(tell)
        self.follows_sec = max(self.follows_sec, follows_sec)

    def merge(self, other: "Transaction") -> None:
        """Take over what `other` counted, and foretells."""
        self.foretold += other.foretold
        self.follows_sec = max(self.follows_sec, other.follows_sec)
        for (owner, status), jobs in other._tally.items():
            self.count(owner, status, jobs)
        for klass, (jobs, spec) in other._classes.items():
            self._queue(klass, jobs, spec)

    def settle(self) -> None:
        """Write the counts down: once for the whole group."""
        changed = [(owner, status, jobs) for (owner, status), jobs in self._tally.items() if jobs]
        if changed:
            self.db.run_each(_TALLY["add"], changed)
        queued = [(klass, jobs, _encode(needs_of(spec))) for klass, (jobs, spec) in self._classes.items() if jobs]
        if queued:
            self.db.run_each(_CLASSES["add"], queued)
        fewer = [(klass,) for klass, jobs, _ in queued if jobs < 0]
        if fewer:
            self.db.run_each(_CLASSES["forget"], fewer)

    def _queue(self, klass: str, jobs: int, spec: Spec) -> None:
        known = self._classes.get(klass)
        self._classes[klass] = (jobs if known is None else known[0] + jobs, spec)
