"""What one person's socket watches."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cmdexec.model.job import Job
from cmdexec.protocol.messages import Failure
from cmdexec.protocol.operations import Permission
from cmdexec.protocol.watching import WATCHES_MAX, Watch, Watched
from cmdexec.server.identity import Identity
from cmdexec.server.live.jobs import AT_ONCE, JobFeed
from cmdexec.server.live.outlet import Outlet
from cmdexec.server.live.rows import RowFeed
from cmdexec.server.live.workers import WorkerFeed, WorkerWatch
from cmdexec.store.contract.reads import JobReads

Answer = Watched | Failure


class Feeding(Protocol):
    """What feeds the feeds (`Live`)."""

    workers: WorkerWatch

    def watch_jobs(self, feed: JobFeed, job_ids: Sequence[str]) -> None: ...

    def unwatch_jobs(self, feed: JobFeed, job_ids: Sequence[str]) -> None: ...

    def watch_list(self, feed: RowFeed) -> None: ...

    def unwatch_list(self, feed: RowFeed) -> None: ...


class Watcher:
    """Judges what is asked item by item. `run` tells what changes. `go` is called after each answer that was sent, so
    that nothing is told before it."""

    def __init__(
        self, live: Feeding, reads: JobReads, who: Identity, outlet: Outlet, jobs: JobFeed, rows: RowFeed
    ) -> None:
        self._live = live
        self._reads = reads
        self._who = who
        self._jobs = jobs
        self._rows = rows
        self._workers = WorkerFeed(outlet)
        self._lists = False
        self._sees_workers = False
        self._fresh: list[str] = []
        self._known: list[Job] = []
        self._starts: set[str] = set()

    async def run(self) -> None:
        """Tell what changes until cancelled, or the reader is too slow. Afterwards nothing is watched."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._jobs.run(), name="watched jobs of a socket")
                tasks.create_task(self._rows.run(), name="watched list of a socket")
        finally:
            self._live.unwatch_jobs(self._jobs, tuple(self._jobs.watched))
            self._live.unwatch_list(self._rows)
            self._live.workers.drop(self._workers)

    async def watch(self, items: Sequence[Watch]) -> list[Answer]:
        """Watch from now on. Raises Unavailable if the store is away: then of these none is."""
        wanted = [item.job_id for item in items if item.what == "job" and item.job_id is not None]
        fresh = [job_id for job_id in dict.fromkeys(wanted) if job_id not in self._jobs]
        if not self._who.may(Permission.VIEW_JOBS):
            fresh = []
        fresh = fresh[: max(0, WATCHES_MAX - len(self._jobs))]
        self._jobs.add(fresh)
        self._live.watch_jobs(self._jobs, fresh)
        try:
            found = await self._look_up(fresh)
        except BaseException:
            self._forget(fresh)
            raise
        missing = [job_id for job_id in fresh if job_id not in found]
        self._forget(missing)
        self._fresh += fresh
        return [self._begin(item, frozenset(missing)) for item in items]

    def unwatch(self, items: Sequence[Watch]) -> list[Answer]:
        """Watch these no more; what is not watched is no fault."""
        return [self._end(item) for item in items]

    def go(self) -> None:
        """The answer is on its way: tell how things stand, and what changes."""
        self._jobs.go(self._fresh, self._known)
        self._fresh, self._known = [], []
        starts, self._starts = self._starts, set()
        if "jobs" in starts:
            self._live.watch_list(self._rows)
            self._rows.go()
        if "workers" in starts:
            self._live.workers.add(self._workers)

    async def _look_up(self, job_ids: Sequence[str]) -> set[str]:
        """Those that are there. A few are kept, to be told at once."""
        found: set[str] = set()
        for first in range(0, len(job_ids), AT_ONCE):
            jobs = [job for job in await self._reads.get(job_ids[first : first + AT_ONCE]) if job is not None]
            found.update(job.job_id for job in jobs)
            if len(job_ids) <= AT_ONCE:
                self._known += jobs
        return found

    def _forget(self, job_ids: Sequence[str]) -> None:
        self._live.unwatch_jobs(self._jobs, job_ids)
        for job_id in job_ids:
            self._jobs.drop(job_id)

    def _begin(self, item: Watch, missing: frozenset[str]) -> Answer:
        wrong = self._refused(item)
        if wrong is not None:
            return wrong
        if item.job_id is not None:
            if item.job_id in missing:
                return Failure("not_found", f"There is no job {item.job_id}.", "jobId")
            if item.job_id not in self._jobs:
                most = f"One socket watches {WATCHES_MAX:,} jobs at most."
                return Failure("conflict", most, mend="Watch `jobs`: a row of each.")
        elif item.what == "jobs" and not self._lists:
            self._lists = True
            self._starts.add("jobs")
        elif item.what == "workers" and not self._sees_workers:
            self._sees_workers = True
            self._starts.add("workers")
        return Watched()

    def _end(self, item: Watch) -> Answer:
        wrong = self._refused(item)
        if wrong is not None:
            return wrong
        if item.what == "job" and item.job_id is not None:
            self._forget([item.job_id])
        elif item.what == "jobs":
            self._lists = False
            self._starts.discard("jobs")
            self._live.unwatch_list(self._rows)
            self._rows.stop()
        else:
            self._sees_workers = False
            self._starts.discard("workers")
            self._live.workers.drop(self._workers)
        return Watched()

    def _refused(self, item: Watch) -> Failure | None:
        if (item.what == "job") != (item.job_id is not None):
            message = "`job` needs a `jobId`." if item.what == "job" else f"`{item.what}` takes no `jobId`."
            return Failure("invalid_field", message, "jobId")
        needed = Permission.VIEW_WORKERS if item.what == "workers" else Permission.VIEW_JOBS
        if not self._who.may(needed):
            return Failure(
                "forbidden", f"This needs the permission to {needed.value}, which you do not have.",
                mend="Ask an admin for a role that has it.",
            )  # fmt: skip
        return None
