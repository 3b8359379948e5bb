"""Jobs that must not outlive the lease of their worker: when it is over, another machine may begin them.

All times are seconds of CLOCK_BOOTTIME, which counts the time that the machine was suspended, as the worker's own clock
does. So they hold while the worker is stopped, and on a machine that wakes up the first thing is that these are ended.

What cannot be had: while this process itself is stopped, and the machine and its jobs are not, nobody ends them, and a
job may run beside its next attempt until this process goes on. Which of the two is the newer one says CMDEXEC_ATTEMPT.
"""

import select
import time

from cmdexec.worker.warden.containers import Removals
from cmdexec.worker.warden.job import NEVER, Job
from cmdexec.worker.warden.kernel import WakingTimer
from cmdexec.worker.warden.spawn import CannotStartError

TOO_LATE = "its lease was over before it was started"


def now() -> float:
    """What deadlines are compared with."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leases:
    """The leased jobs and containers. `descriptor` is readable when their deadline may be over; `poll` is to watch
    what `removals` has open."""

    def __init__(self, poll: select.poll) -> None:
        self._timer = WakingTimer()
        self.descriptor = self._timer.descriptor
        self._until = 0.0
        self._renewal = 0
        self._jobs: dict[int, Job] = {}
        self._containers: dict[str, str] = {}
        self.removals = Removals(poll)

    def renew(self, renewal: int, until: float) -> None:
        """By that renewal the lease lasts until then, which may be sooner than by the one before; an order that carries
        an older one comes late."""
        if renewal > self._renewal:
            self._renewal, self._until = renewal, until
            if self._jobs or self._containers:
                self._timer.set(until)

    def check(self, renewal: int, until: float) -> None:
        """A leased job is about to be born. Raises CannotStartError when that is too late."""
        self.renew(renewal, until)
        if now() >= self._until:
            raise CannotStartError(TOO_LATE, machine=True)

    def add(self, job: Job) -> None:
        """It was born."""
        if not self._jobs:
            self._timer.set(self._until)
        self._jobs[job.number] = job

    def drop(self, job: Job) -> None:
        """Nothing of it is left, or what is cannot be ended."""
        if self._jobs.pop(job.number, None) is not None and not self._jobs and not self._containers:
            self._timer.set(NEVER)

    def keep(self, name: str, url: str, renewal: int, until: float) -> None:
        """A leased container is about to be made. It is kept to its lease also where that is over: what is not there
        yet is not started any more."""
        self.renew(renewal, until)
        self._containers[name] = url
        self._timer.set(self._until)

    def let_go(self, name: str) -> None:
        """It is removed."""
        self.removals.forget(name)
        if self._containers.pop(name, None) is not None and not self._jobs and not self._containers:
            self._timer.set(NEVER)

    @property
    def over(self) -> bool:
        """Whether any are left whose lease is over."""
        return bool(self._jobs or self._containers) and now() >= self._until

    def take_over(self) -> list[Job]:
        """Those jobs, once: they are to be killed."""
        found = list(self._jobs.values())
        self._jobs.clear()
        self._timer.set(NEVER)
        return found

    def remove_containers(self) -> None:
        """All that are kept: their lease is over, or their worker is gone."""
        found, self._containers = self._containers, {}
        self.removals.begin(found)
