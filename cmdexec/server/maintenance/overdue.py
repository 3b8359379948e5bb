"""What the wall clock brings: scheduled jobs are due, waiting ones expire, unknown ones are given up."""

from cmdexec.errors import CmdexecError
from cmdexec.log import Trouble
from cmdexec.runtime import Runtime
from cmdexec.server.jobs import Jobs, due, expired, lost
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads


class Overdue:
    """A Service. For one lease after the start no job is given up: its worker may be about to come back. And when the
    wall clock has jumped ahead, nobody knows since when a job is unknown: none is given up for LOST_TIMEOUT_SEC."""

    def __init__(self, *, reads: Reads, jobs: Jobs, runtime: Runtime, settings: ServerSettings) -> None:
        self._reads = reads.jobs
        self._jobs = jobs
        self._clock = runtime.clock
        self._log = runtime.log
        self._trouble = Trouble(runtime.log, "what is due could not be looked through")
        self._sweep_sec = settings.due_sweep_sec
        self._items = settings.sweep_items
        self._lost_sec = settings.lost_timeout_sec
        self._lease_sec = settings.lease_sec
        self._patient_until = self._clock.elapsed() + settings.lease_sec
        self._apart = self._clocks_apart()

    async def run(self) -> None:
        """Look until cancelled."""
        self._apart = self._clocks_apart()
        while True:
            await self._clock.sleep(self._sweep_sec)
            try:
                while await self.sweep():
                    await self._clock.sleep(0)
                self._trouble.over()
            except CmdexecError as away:
                self._trouble.tell(away.code, away.message)

    async def sweep(self) -> bool:
        """One look; returns whether there may be more at once. Raises what the store raises."""
        now = self._clock.now()
        self._heed_jumps()
        patient = self._clock.elapsed() < self._patient_until
        found = await self._reads.overdue(now, 0 if patient else now - int(self._lost_sec * 1000), self._items)
        asks = [
            *due(job.job_id for job in found.due),
            *expired(job.job_id for job in found.expired),
            *lost(job.job_id for job in found.lost),
        ]
        if not asks:
            return False
        outcomes = await self._jobs.turn(asks)
        changed = any(outcome.refusal is None and outcome.job is not outcome.before for outcome in outcomes)
        return changed and max(len(found.due), len(found.expired), len(found.lost)) >= self._items

    def _heed_jumps(self) -> None:
        before, self._apart = self._apart, self._clocks_apart()
        ahead = self._apart - before
        if abs(ahead) > self._lease_sec:
            self._log.warning("the wall clock has jumped", ahead_sec=round(ahead))
        if ahead > self._lease_sec:
            self._patient_until = self._clock.elapsed() + self._lost_sec

    def _clocks_apart(self) -> float:
        """Seconds; stays the same as long as nobody sets the wall clock."""
        return self._clock.now() / 1000 - self._clock.elapsed()
