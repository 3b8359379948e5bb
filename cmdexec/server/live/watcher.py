"""What one person's socket watches."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from cmdexec.model.job import Job
from cmdexec.protocol.messages import Failure
from cmdexec.protocol.operations import Permission
from cmdexec.protocol.watching import ENDS_MAX, WATCHES_MAX, Watch, Watched
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
    that nothing is told before it. `recall`: a job that this server remembers need not be looked up."""

    def __init__(
        self, live: Feeding, reads: JobReads, who: Identity, outlet: Outlet, jobs: JobFeed, rows: RowFeed,
        recall: Callable[[str], Job | None],
    ) -> None:  # fmt: skip
        self._live = live
        self._reads = reads
        self._recall = recall
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
        whole, ends = self._not_watched(items) if self._who.may(Permission.VIEW_JOBS) else ([], [])
        self._jobs.add(whole)
        self._jobs.add(ends, ends=True)
        fresh = whole + ends
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

    def _not_watched(self, items: Sequence[Watch]) -> tuple[list[str], list[str]]:
        """As many of the jobs as may be watched besides: whole, and to their ends."""
        jobs, asked = self._jobs, [item for item in items if item.what == "job" and item.job_id is not None]
        whole = dict.fromkeys(item.job_id for item in asked if item.job_id is not None and item.until is None)
        ends = dict.fromkeys(item.job_id for item in asked if item.job_id is not None and item.job_id not in whole)
        return (
            [one for one in whole if one not in jobs or jobs.to_its_end(one)][: max(0, WATCHES_MAX - jobs.whole)],
            [one for one in ends if one not in jobs][: max(0, ENDS_MAX - jobs.ends)],
        )

    async def _look_up(self, job_ids: Sequence[str]) -> set[str]:
        """Those that are there. A few are kept, to be told at once."""
        known = {job_id: job for job_id in job_ids if (job := self._recall(job_id)) is not None}
        self._stand(list(known.values()), few=len(known) <= AT_ONCE)
        found, others = set(known), [job_id for job_id in job_ids if job_id not in known]
        for first in range(0, len(others), AT_ONCE):
            jobs = [job for job in await self._reads.get(others[first : first + AT_ONCE]) if job is not None]
            found.update(job.job_id for job in jobs)
            self._stand(jobs, few=len(others) <= AT_ONCE)
        return found

    def _stand(self, jobs: Sequence[Job], *, few: bool) -> None:
        """They stand so, or did a moment ago: what need not be told is settled, and a few are kept, to be told."""
        for job in jobs:
            if self._jobs.to_its_end(job.job_id) and not job.ended:
                self._jobs.goes_on(job)
            elif few:
                self._known.append(job)

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
            if item.job_id not in self._jobs and item.until is not None:
                most = f"One socket watches the ends of {ENDS_MAX:,} jobs at most."
                return Failure("conflict", most, mend="Watch others when some have ended.")
            if item.job_id not in self._jobs or (item.until is None and self._jobs.to_its_end(item.job_id)):
                most = f"One socket watches {WATCHES_MAX:,} jobs at most."
                return Failure("conflict", most, mend="Watch `jobs`: a row of each; or `until` they have `ended`.")
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
        if item.until is not None and item.what != "job":
            return Failure("invalid_field", f"`{item.what}` takes no `until`: there is no end of all of them.", "until")
        needed = Permission.VIEW_WORKERS if item.what == "workers" else Permission.VIEW_JOBS
        if not self._who.may(needed):
            return Failure(
                "forbidden", f"This needs the permission to {needed.value}, which you do not have.",
                mend="Ask an admin for a role that has it.",
            )  # fmt: skip
        return None
