"""Judging leases: what a worker held that was silent for too long, and never while that may be our own fault."""

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.log import Trouble
from cmdexec.model.job import Status
from cmdexec.model.lease import Watch, turned, watch
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Jobs, lease_over
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow

_GAP_SWEEPS = 2
_GAP_SHARE = 0.25
"""A gap is two sweeps, or a quarter of a lease if that is more: a worker that speaks in time speaks several times."""


class Leases:
    """A Service. Amnesty (promise 8): no lease is judged for one lease after the start, after a gap in this loop, or
    after a gap in successful writes; it writes something itself when nobody else does. Nor is one while a longer one
    may run that another server granted (`Workers.lapsed`)."""

    def __init__(self, *, reads: Reads, jobs: Jobs, runtime: Runtime, settings: ServerSettings) -> None:
        self._reads = reads
        self._jobs = jobs
        self._clock = runtime.clock
        self._log = runtime.log
        self._trouble = Trouble(runtime.log, "leases could not be judged")
        self._lease_sec = settings.lease_sec
        self._sweep_sec = settings.lease_sweep_sec
        self._items = settings.sweep_items
        self._gap_sec = max(_GAP_SWEEPS * settings.lease_sweep_sec, _GAP_SHARE * settings.lease_sec)
        self._started_at = self._clock.elapsed()
        self._watch: Watch = watch(self._started_at, self._lease_sec)

    async def run(self) -> None:
        """Judge until cancelled."""
        while True:
            await self._clock.sleep(self._sweep_sec)
            try:
                await self.sweep()
                self._trouble.over()
            except CmdexecError as away:
                self._trouble.tell(away.code, away.message)

    async def sweep(self) -> None:
        """One turn of the loop. Raises what the store raises."""
        if not await self._may_judge():
            return
        for row in await self._reads.workers.lapsed(self._lease_sec):
            await self._over(row)

    async def _may_judge(self) -> bool:
        """Whether there is no amnesty. Asked again after each question to the store: that may have been answered only
        when the store was back, and tell of leases that nobody could renew meanwhile."""
        wrote_at = await self._write_something()
        now = self._clock.elapsed()
        self._watch = turned(self._watch, now, wrote_at, self._lease_sec, self._gap_sec)
        return now >= self._watch.judged_from

    async def _write_something(self) -> float:
        """When a write last succeeded; one is made if that is long ago."""
        last = self._reads.health.last_write()
        if last is None or self._clock.elapsed() - last > self._gap_sec / 2:
            try:
                await self._reads.health.commit()
            except Unavailable as away:  # the store says so itself, once
                self._log.debug("the store takes no writes", code=away.code, why=away.message)
            last = self._reads.health.last_write()
        return self._started_at if last is None else last

    async def _over(self, row: WorkerRow) -> None:
        """Each job is judged by its own session: one of an older session is no better off than the worker's newest."""
        workers, after = self._reads.workers, ""
        while page := await self._reads.jobs.held_by(row.worker_id, after, self._items):
            after = page[-1].job_id
            asks = [
                ask
                for job in page
                if job.status is not Status.UNKNOWN
                for ask in lease_over((job.job_id,), job.session or "")
            ]
            if not (await workers.lapsed(self._lease_sec, (row.worker_id,)) and await self._may_judge()):
                return  # it was heard of while we looked, or could not be
            if asks:
                await self._jobs.turn(asks)
        if await self._may_judge() and await workers.mark_lost(row.worker_id, row.session, self._lease_sec):
            self._log.warning("a worker's lease is over", worker=row.worker_id, name=row.name)
