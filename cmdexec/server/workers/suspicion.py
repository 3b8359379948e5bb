"""Workers that begin nothing: their presence lives on, they have free slots, and they never ask to start what they are
given. Each is tried again, with one job at a time and growing pauses."""

from collections.abc import Iterable

from cmdexec.log import Log
from cmdexec.server import jobs
from cmdexec.server.jobs import Jobs
from cmdexec.server.workers.member import Member
from cmdexec.settings.server import ServerSettings


class Suspects:
    """Judges workers; what is known of one is kept with its process (`Process.suspicion`), so a new one is trusted.

    A worker that says what keeps it (its trouble, or what it does before a start), that drains, or is silent, is not
    judged: people, or its lease, see to that. Nor is one whose job waits for its part of the machine.
    """

    def __init__(self, jobs_: Jobs, settings: ServerSettings, log: Log) -> None:
        self._jobs = jobs_
        self._log = log
        self._after_sec = settings.suspect_after_sec
        self._trial_sec = settings.suspect_trial_sec
        self._trial_max_sec = settings.suspect_trial_max_sec
        self._silent_sec = settings.lease_sec / 2

    async def look(self, members: Iterable[Member], now: float) -> None:
        """Find them, and take back what they have not begun: at no cost to the jobs. Raises Unavailable."""
        found = [member for member in members if self._leaves(member, now)]
        back = [job_id for member in found for job_id, given in member.given() if given.started_at is None]
        if back:
            await self._jobs.turn(jobs.recall(back))
        for member in found:
            suspicion = member.process.suspicion
            pause = min(self._trial_sec * 2.0 ** min(suspicion.trials, 60), self._trial_max_sec)
            suspicion.fails(now + pause)
            self._log.warning(
                "a worker begins nothing that it is given, so it gets nothing until it is tried again",
                worker=member.worker_id, tried_again_in_sec=pause,
            )  # fmt: skip

    def _leaves(self, member: Member, now: float) -> bool:
        """Whether it has now left what it was given for too long, or has failed its trial."""
        suspicion = member.process.suspicion
        tried = suspicion.on and suspicion.left_sec > 0
        if not self._could_begin(member, now):
            return False
        crowded = member.crowded
        waiting = [
            given for job_id, given in member.given() if given.started_at is None and job_id not in crowded
        ]  # fmt: skip
        if any(given.phase is not None for given in waiting):
            return False
        sent = [given.given_at for given in waiting if given.batch]
        left_sec = now - max(suspicion.asked_at, min(sent)) if sent else 0.0
        return tried or (left_sec + suspicion.left_sec >= self._after_sec and (bool(sent) or not suspicion.on))

    def _could_begin(self, member: Member, now: float) -> bool:
        here = member.ready and member.takes and member.heard_at >= now - self._silent_sec
        troubled = member.stats is not None and member.stats.trouble is not None
        return here and not troubled and member.running < member.slots
