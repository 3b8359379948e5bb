"""A list of jobs that one socket watches: a row of each job that changes, a few times a second at most."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.protocol.codec import ask
from cmdexec.protocol.listing import JobRow
from cmdexec.server.live.outlet import Outlet, room_in
from cmdexec.server.live.shows import Shown, Shows

FIRST = 100
"""Rows that are told first: those of the newest jobs."""

_WAITING_MAX = 2000
"""Rows that may wait; beyond, the oldest is left out, and the newest jobs are told anew."""

_TOLD_MAX = 2000
"""Jobs of which is remembered what was told last; those that have not ended are looked at now and then."""

_AWAY_SEC = 1.0
_FRAME_ROWS = 200
_ROW_BYTES = 800
_SMALL = 4096
_SHORT = 20


class RowFeed:
    """Tells the newest row of each job that has changed since the last time."""

    def __init__(self, outlet: Outlet, shows: Shows, clock: Clock, *, pause_sec: float, slow_sec: float) -> None:
        self._outlet = outlet
        self._shows = shows
        self._clock = clock
        self._pause_sec = pause_sec
        self._slow_sec = slow_sec
        self._waiting: OrderedDict[str, tuple[int, Job | JobRow]] = OrderedDict()
        self._told: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        self._wake = asyncio.Event()
        self._anew = False

    @property
    def open_jobs(self) -> frozenset[str]:
        """The jobs that were told and have not ended: if hints are lost, they change without a word."""
        return frozenset(job_id for job_id, (_, ended) in self._told.items() if not ended)

    def go(self) -> None:
        """Tell the newest jobs first."""
        self._anew = True
        self._wake.set()

    def stop(self) -> None:
        """Tell nothing more, and forget what was told."""
        self._anew = False
        self._waiting.clear()
        self._told.clear()

    def changed(self, shown: Shown) -> None:
        """It stands so now, or has at some time: what is older than what was told is passed over.

        A large job is kept as its row, a small one as it is: most are replaced before they are told.
        """
        job = shown.job
        known = self._waiting.get(job.job_id) or self._told.get(job.job_id)
        if known is not None and job.rev <= known[0]:
            return
        small = job.spec.weight <= _SMALL and len(job.history) <= _SHORT
        self._waiting[job.job_id] = (job.rev, job if small else shown.row)
        if len(self._waiting) > _WAITING_MAX:
            self._waiting.popitem(last=False)
            self._anew = True
        self._wake.set()

    async def run(self) -> None:
        """Tell, until cancelled or the reader is too slow."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._anew:
                await self._look_anew()
            while self._waiting:
                count = min(len(self._waiting), _FRAME_ROWS)
                if not await room_in(self._outlet, count * _ROW_BYTES, self._slow_sec):
                    return
                self._outlet.put(ask("jobs", self._take(count)))
            await self._clock.sleep(self._pause_sec)

    async def _look_anew(self) -> None:
        try:
            newest = await self._shows.newest(FIRST)
        except Unavailable:
            await self._clock.sleep(_AWAY_SEC)
            self._wake.set()
            return
        if self._anew:  # and nobody has said `stop` since
            self._anew = False
            for job in reversed(newest):
                self.changed(Shown(job, self._shows))

    def _take(self, count: int) -> Sequence[JobRow]:
        rows = []
        for _ in range(count):
            job_id, (rev, one) = self._waiting.popitem(last=False)
            row = self._shows.row(one) if isinstance(one, Job) else one
            self._told[job_id] = (rev, row.finished_at is not None)
            self._told.move_to_end(job_id)
            rows.append(row)
        while len(self._told) > _TOLD_MAX:
            self._told.popitem(last=False)
        return rows
