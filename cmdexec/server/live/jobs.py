"""The jobs that one socket watches: each whole, told the moment it changes; or, of those that are waited for, once they
have ended."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.protocol.codec import ask
from cmdexec.protocol.requests import JobView
from cmdexec.server.live.outlet import Outlet, room_in
from cmdexec.server.live.shows import Shown, Shows
from cmdexec.store.contract.reads import JobReads

AT_ONCE = 8
"""Jobs of one socket that are in memory at once, when they are looked up."""

_AWAY_SEC = 1.0
_ABOUT_BYTES = 4096
_LINE_BYTES = 200
_ATTEMPT_BYTES = 1500


class JobFeed:
    """Tells the newest state of each job that is watched; states between that nobody could read in time are left out.

    What cannot be told at once, since the socket is full or something has to be looked up, is only noted, and read from
    the store when its turn comes: so a slow reader costs no memory. `over`: called with a job whose end was waited for
    and has been told: it is watched no more.
    """

    def __init__(
        self, outlet: Outlet, shows: Shows, reads: JobReads, clock: Clock, *, slow_sec: float,
        over: Callable[["JobFeed", str], None],
    ) -> None:  # fmt: skip
        self._outlet = outlet
        self._shows = shows
        self._reads = reads
        self._clock = clock
        self._slow_sec = slow_sec
        self._over = over
        self._ends: set[str] = set()
        self._told: dict[str, int] = {}
        self._waits: dict[str, str] = {}
        self._due: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._held = False

    @property
    def watched(self) -> frozenset[str]:
        """The ids of the jobs."""
        return frozenset(self._told)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._told

    @property
    def whole(self) -> int:
        """How many are told change by change."""
        return len(self._told) - len(self._ends)

    @property
    def ends(self) -> int:
        """How many are told once they have ended."""
        return len(self._ends)

    def to_its_end(self, job_id: str) -> bool:
        """Whether nothing of the job is told but that it has ended."""
        return job_id in self._ends

    def add(self, job_ids: Iterable[str], *, ends: bool = False) -> None:
        """Watch these, or their `ends` alone; nothing is told before `go`."""
        self._held = True
        for job_id in job_ids:
            self._told[job_id] = -1
            (self._ends.add if ends else self._ends.discard)(job_id)

    def drop(self, job_id: str) -> None:
        """Watch it no more."""
        self._told.pop(job_id, None)
        self._ends.discard(job_id)
        self._waits.pop(job_id, None)
        self._due.pop(job_id, None)

    def go(self, job_ids: Iterable[str], known: Iterable[Job]) -> None:
        """Tell how these stand, and from now on what changes. `known`: those of them that were just looked up."""
        self._held = False
        for job in known:
            self.changed(Shown(job, self._shows))
        for job_id in job_ids:
            if self._told.get(job_id) == -1:
                self._due.setdefault(job_id, 0)
        self._wake.set()

    def changed(self, shown: Shown) -> None:
        """It stands so now, or has at some time: what is older than what was told is passed over."""
        job = shown.job
        told = self._told.get(job.job_id)
        if told is None or job.rev <= max(told, self._due.get(job.job_id, -1)):
            return
        if not job.ended and job.job_id in self._ends:
            self.goes_on(job)
            return
        if not self._held and self._outlet.has_room(_size(job)):
            view = shown.view
            if view is not None:
                self._due.pop(job.job_id, None)
                self._tell(job.rev, view)
                return
        self._due[job.job_id] = job.rev
        self._wake.set()

    def flush(self) -> None:
        """Send what was told now."""
        self._outlet.flush()

    def goes_on(self, job: Job) -> None:
        """Its end is waited for, and it has not ended: there is nothing to tell."""
        self._told[job.job_id] = max(job.rev, self._told.get(job.job_id, -1))

    def looked(self, view: JobView, rev: int) -> None:
        """It was looked at: a job that has not changed may still wait for something else than was told."""
        told, waits = self._waits.get(view.job_id), view.phase or view.waiting_for
        if self._told.get(view.job_id) == rev and told != waits and not (told is None and view.phase is None):
            if not self._held and self._outlet.has_room(_ABOUT_BYTES):
                self._tell(rev, view)

    async def run(self) -> None:
        """Tell what could not be told at once, until cancelled or the reader is too slow."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            needed = _ABOUT_BYTES
            while self._due and not self._held:
                if not await room_in(self._outlet, needed, self._slow_sec):
                    return
                try:
                    needed = await self._tell_some(list(self._due)[:AT_ONCE])
                except Unavailable:
                    await self._clock.sleep(_AWAY_SEC)

    async def _tell_some(self, job_ids: Sequence[str]) -> int:
        """Look these up and tell them, as long as there is room; how much the next one needs. Raises Unavailable if the
        store is away."""
        jobs = [job for job in await self._reads.get(job_ids) if job is not None]
        views = await self._shows.jobs(jobs)
        found = {job.job_id: (job, view) for job, view in zip(jobs, views, strict=True)}
        for job_id in job_ids:
            job, view = found.get(job_id, (None, None))
            if job is None or view is None:
                self._due.pop(job_id, None)
            elif self._due.get(job_id, job.rev + 1) <= job.rev:  # else it was told, or changed, while it was looked up
                if not job.ended and job_id in self._ends:
                    del self._due[job_id]
                    self.goes_on(job)
                    continue
                if not self._outlet.has_room(_size(job)):
                    return _size(job)
                del self._due[job_id]
                self._tell(job.rev, view)
        return _ABOUT_BYTES

    def _tell(self, rev: int, view: JobView) -> None:
        self._told[view.job_id] = rev
        self._waits.pop(view.job_id, None)
        if (waits := view.phase or view.waiting_for) is not None:
            self._waits[view.job_id] = waits
        self._outlet.put(ask("job", [view]))
        if view.job_id in self._ends:
            self.drop(view.job_id)
            self._over(self, view.job_id)


def _size(job: Job) -> int:
    """About how many bytes it takes to tell it."""
    return _ABOUT_BYTES + job.spec.weight + _LINE_BYTES * len(job.history) + _ATTEMPT_BYTES * len(job.attempts)
