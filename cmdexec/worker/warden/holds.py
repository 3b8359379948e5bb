"""Which jobs are held to limits, by what, and whom a limit ends."""

import os
import time

from cmdexec.worker.warden import cgroup
from cmdexec.worker.warden.containment import Containment, Tree
from cmdexec.worker.warden.hierarchies import Hierarchies
from cmdexec.worker.warden.inside import cannot_hold
from cmdexec.worker.warden.job import NEVER, Job
from cmdexec.worker.warden.limits import Limits, Part, Share
from cmdexec.worker.warden.slots import CgroupContainment
from cmdexec.worker.warden.unified import Unified
from cmdexec.worker.warden.watched import Watched

WATCHED = "watched"
_LOOK_COST = 20
"""Looking may take a twentieth of the time."""


def choose(wanted: str, totals: Part, containment: Containment, sweep_sec: float) -> tuple[Limits, str]:
    """What holds jobs here, and when that is not cgroups, why not; `wanted`: "watched" asks for no better.

    What dead wardens left in its place is ended, which may take `sweep_sec`.
    """
    why = ""
    if wanted != WATCHED:
        try:
            if isinstance(containment, CgroupContainment) and containment.mode == "cgroup2":
                return Unified(containment, totals), ""
            return _hierarchies(totals, sweep_sec), ""
        except OSError as error:
            why = error.strerror or type(error).__name__
    return Watched(totals, sorted(os.sched_getaffinity(0))), why


def _hierarchies(totals: Part, sweep_sec: float) -> Hierarchies:
    parents = {}
    for controller in ("memory", "cpu", "cpuacct"):
        if folder := cgroup.own_folder(controller):
            parents[controller] = folder
    limits = Hierarchies(parents, totals)
    deadline = time.monotonic() + sweep_sec
    for folder in dict.fromkeys(parents.values()):
        cgroup.sweep(1, folder, max(0.0, deadline - time.monotonic()))
    return limits


class Holds:
    """The held jobs that run. `due` is when to look at them next: now and then, and never too often for its cost."""

    def __init__(self, limits: Limits, look_sec: float) -> None:
        self.limits = limits
        self.due = NEVER
        self._look_sec = look_sec
        self._running: dict[int, tuple[Job, Share]] = {}

    def take(self, part: Part, tree: Tree) -> Share:
        """What holds a job that is about to be born. Raises CannotStartError."""
        try:
            return self.limits.take(part, tree)
        except OSError as error:
            raise cannot_hold(error) from error

    def add(self, job: Job, share: Share, now: float) -> None:
        """It was born."""
        job.share = share
        self._running[job.number] = (job, share)
        if self.limits.looks and self.due == NEVER:
            self.due = now + self._look_sec

    def drop(self, job: Job) -> None:
        """It has ended."""
        if self._running.pop(job.number, None) is not None and not self._running:
            self.due = NEVER

    def over(self) -> list[tuple[Job, str]]:
        """Those that are to be ended now, with the sentences that say why; `looked` comes next."""
        running = [(job, share) for job, share in self._running.values() if job.killed_at == NEVER]
        jobs = {share: job for job, share in running}
        found = self.limits.look([(share, job.tree) for job, share in running])
        return [(jobs[share], sentence) for share, sentence in found]

    def looked(self, cost: float, now: float) -> None:
        """Looking took so many seconds of CPU time."""
        if self.due != NEVER:
            self.due = now + max(self._look_sec, _LOOK_COST * cost)
