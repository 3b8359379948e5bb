"""The worker's own view of its lease: by when it must have ended what the server may give away (promise 2)."""

import math
from collections.abc import Callable

from cmdexec.model.lease import own_deadline
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings


class Lease:
    """The lease of this worker's session. `over` is told once each time that the deadline passes, `renewed_until` each
    time that it is another one (elapsed seconds): whoever keeps it while this process is stopped. The newest renewal
    counts, also where its deadline is the earlier one: a server that was started anew may give shorter leases.

    lease_sec, heartbeat_sec   as the server said last; before that the worker's own setting, and no lease
    """

    def __init__(self, *, settings: WorkerSettings, runtime: Runtime) -> None:
        self.over: Callable[[], None] = lambda: None
        self.renewed_until: Callable[[float], None] = lambda _until: None
        self.lease_sec: float | None = None
        self.heartbeat_sec = settings.heartbeat_sec
        self._margin_sec = settings.lease_margin_sec
        self._look_sec = settings.lease_look_sec
        self._clock = runtime.clock
        self._deadline = self._sent_at = -math.inf
        self._told = True

    def says(self, lease_sec: float, heartbeat_sec: float) -> None:
        """The server named the durations; nothing is renewed by that."""
        self.lease_sec = lease_sec
        self.heartbeat_sec = heartbeat_sec

    def renewed(self, sent_at: float) -> None:
        """A heartbeat was acknowledged that was sent at `sent_at` (elapsed seconds)."""
        if sent_at > self._sent_at:
            self._sent_at = sent_at
            self._ends_at(self._own_deadline(sent_at))

    def registered(self, sent_at: float) -> None:
        """The server answered a `register` that was sent at `sent_at`: it counts from then at the earliest. That renews
        nothing, since it may have given up what is held; where its leases have become shorter, ours has."""
        deadline = self._own_deadline(sent_at)
        if deadline < self._deadline:
            self._ends_at(deadline)

    def _own_deadline(self, sent_at: float) -> float:
        lease_sec = self.lease_sec or 0.0
        return own_deadline(sent_at, lease_sec, min(self._margin_sec, lease_sec / 4))

    def _ends_at(self, deadline: float) -> None:
        if deadline != self._deadline:
            self._deadline = deadline
            self._told = False
            self.renewed_until(deadline)

    def in_time(self) -> bool:
        """Whether the deadline is still to come."""
        return self._clock.elapsed() < self._deadline

    async def run(self) -> None:
        """Watch the deadline, until cancelled. No timer counts the time that the machine was suspended, so it is looked
        at now and then."""
        while True:
            left = self._deadline - self._clock.elapsed()
            if left <= 0 and not self._told:
                self._told = True
                self.over()
            await self._clock.sleep(min(left, self._look_sec) if left > 0 else self._look_sec)
