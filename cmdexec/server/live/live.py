"""Who watches what, and telling them. Hints say at once what changed; what is shown is read again now and then anyway,
so a hint that is lost costs latency and nothing else."""

import asyncio
from collections.abc import Callable, Iterable

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.notify.contract import JobsChanged, Notify
from cmdexec.server.identity import Identity
from cmdexec.server.live.jobs import AT_ONCE, JobFeed
from cmdexec.server.live.outlet import Outlet
from cmdexec.server.live.rows import RowFeed
from cmdexec.server.live.shows import Shown, Shows
from cmdexec.server.live.watcher import Watcher
from cmdexec.server.live.workers import WorkerWatch
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import JobReads

_UNREAD_MAX = 10_000
"""Jobs that hints of other servers named; beyond, they are found when all is looked at."""


_ALL_EACH = 12
"""Of so many looks one is at everything."""


class Live:
    """A Service: looks up what hints only named, and looks at all that is watched every LIVE_CHECK_SEC. `recall`: a job
    that a worker holds, as this server last saw it."""

    def __init__(
        self, *, reads: JobReads, shows: Shows, notify: Notify, clock: Clock, settings: ServerSettings,
        recall: Callable[[str], Job | None],
    ) -> None:  # fmt: skip
        self._reads = reads
        self._recall = recall
        self._looks = 0
        self._shows = shows
        self._clock = clock
        self._check_sec = settings.live_check_sec
        self._rows_sec = settings.live_rows_sec
        self._slow_sec = settings.socket_send_timeout_sec
        self._feeds: dict[str, set[JobFeed]] = {}
        self._lists: set[RowFeed] = set()
        self._unread: dict[str, None] = {}
        self._wake = asyncio.Event()
        self.workers = WorkerWatch(shows, clock, check_sec=settings.live_workers_sec)
        notify.listen(JobsChanged, self._changed)

    def watcher(self, who: Identity, outlet: Outlet) -> Watcher:
        """For one person's socket."""
        jobs = JobFeed(outlet, self._shows, self._reads, self._clock, slow_sec=self._slow_sec, over=self._over)
        rows = RowFeed(outlet, self._shows, self._clock, pause_sec=self._rows_sec, slow_sec=self._slow_sec)
        return Watcher(self, self._reads, who, outlet, jobs, rows, self._recall)

    def watch_jobs(self, feed: JobFeed, job_ids: Iterable[str]) -> None:
        """Tell the feed of these jobs."""
        for job_id in job_ids:
            self._feeds.setdefault(job_id, set()).add(feed)

    def unwatch_jobs(self, feed: JobFeed, job_ids: Iterable[str]) -> None:
        """Tell it of these no more."""
        for job_id in job_ids:
            feeds = self._feeds.get(job_id)
            if feeds is not None:
                feeds.discard(feed)
                if not feeds:
                    del self._feeds[job_id]

    def watch_list(self, feed: RowFeed) -> None:
        """Tell the feed of all jobs."""
        self._lists.add(feed)

    def unwatch_list(self, feed: RowFeed) -> None:
        """Tell it of none."""
        self._lists.discard(feed)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.workers.run(), name="watched workers")
            tasks.create_task(self._look(), name="watched jobs")

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._check_sec):
                    await self._wake.wait()
                wanted = list(self._unread)
            except TimeoutError:
                watched = [job_id for job_id in self._feeds if self._in_doubt(job_id)]
                wanted = [*watched, *(job_id for feed in self._lists for job_id in feed.open_jobs)]
                self._looks += 1
            self._wake.clear()
            self._unread.clear()
            try:
                await self._read(list(dict.fromkeys(wanted)))
            except Unavailable:
                continue  # the next look will tell

    async def _read(self, job_ids: list[str]) -> None:
        for first in range(0, len(job_ids), AT_ONCE):
            jobs = [job for job in await self._reads.get(job_ids[first : first + AT_ONCE]) if job is not None]
            for job in jobs:
                self._tell(Shown(job, self._shows))
            waiting = [job for job in jobs if not job.ended and self._told_whole(job.job_id)]
            for job, view in zip(waiting, await self._shows.jobs(waiting), strict=True):
                for feed in tuple(self._feeds.get(job.job_id, ())):
                    feed.looked(view, job.rev)

    def _told_whole(self, job_id: str) -> bool:
        """Whether anybody is told more of it than its end."""
        return any(not feed.to_its_end(job_id) for feed in self._feeds.get(job_id, ()))

    def _in_doubt(self, job_id: str) -> bool:
        """Whether it has to be looked at. One whose end alone is watched, and which a worker holds as far as this
        server knows, ends by this server's hand nearly always: the store need not be asked each time."""
        return not self._looks % _ALL_EACH or self._told_whole(job_id) or self._recall(job_id) is None

    def _over(self, feed: JobFeed, job_id: str) -> None:
        self.unwatch_jobs(feed, (job_id,))

    def _changed(self, hint: JobsChanged) -> None:
        if not self._feeds and not self._lists:
            return
        waited: dict[JobFeed, None] = {}
        for job in hint.jobs:
            if self._lists or job.job_id in self._feeds:
                if job.ended:
                    waited.update(dict.fromkeys(self._feeds.get(job.job_id, ())))
                self._tell(Shown(job, self._shows))
        for feed in waited:  # a person may wait for that; of all else the worker is told first
            feed.flush()
        if not hint.jobs:
            named = [job_id for job_id in hint.job_ids if self._lists or job_id in self._feeds]
            if named and len(self._unread) < _UNREAD_MAX:
                self._unread.update(dict.fromkeys(named))
                self._wake.set()

    def _tell(self, shown: Shown) -> None:
        for feed in tuple(self._feeds.get(shown.job.job_id, ())):
            feed.changed(shown)
        for rows in self._lists:
            rows.changed(shown)
