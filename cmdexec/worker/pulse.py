"""How often this worker says that it lives: as often as the server wishes, less often over a slow link.

A heartbeat's round trip shall take no more than a part of the time between two (HEARTBEAT_STRETCH); a third of the
lease is the most that lies between two, so that each lease has three tries. While one is not answered the next is not
sent before that third, so that none pile up on a link that carries nothing.
"""

from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.lease import Lease

_TRIES = 3
"""In each lease."""

_WEIGHT = 0.5
"""Of the newest round trip: heartbeats are few, so few have to tell."""


class Pulse:
    """Of one worker; what it knows of a link ends with `begin`.

    round_trip_sec  how long an answer takes lately; None: not known yet
    """

    def __init__(self, lease: Lease, *, settings: WorkerSettings, runtime: Runtime) -> None:
        self.round_trip_sec: float | None = None
        self._lease = lease
        self._stretch = settings.heartbeat_stretch
        self._clock, self._log = runtime.clock, runtime.log
        self._sent_at: float | None = None
        self._unanswered = 0
        self._told = False

    @property
    def interval_sec(self) -> float:
        """Between two heartbeats, while they are answered."""
        usual, lease_sec = self._lease.heartbeat_sec, self._lease.lease_sec
        if self.round_trip_sec is None or lease_sec is None:
            return usual
        return max(usual, min(lease_sec / _TRIES, self.round_trip_sec * self._stretch))

    @property
    def stretched(self) -> bool:
        """Whether that is longer than the server wishes."""
        return self.interval_sec > self._lease.heartbeat_sec

    def begin(self) -> None:
        """Another connection."""
        self.round_trip_sec = self._sent_at = None
        self._unanswered = 0

    def sent(self) -> None:
        """A heartbeat was said."""
        self._sent_at = self._clock.elapsed()
        self._unanswered += 1

    def answered(self, sent_at: float) -> None:
        """One that was said then was answered."""
        self._unanswered = max(0, self._unanswered - 1)
        took, known = self._clock.elapsed() - sent_at, self.round_trip_sec
        self.round_trip_sec = took if known is None else known + (took - known) * _WEIGHT
        if self.stretched is not self._told:
            self._told = self.stretched
            said = "the link is slow: heartbeats come less often" if self._told else "heartbeats come as often as usual"
            self._log.info(said, each_sec=round(self.interval_sec, 3), round_trip_sec=round(self.round_trip_sec, 3))

    def due_in(self) -> float:
        """Seconds until the next one; 0: now."""
        if self._sent_at is None:
            return 0.0
        wait = self.interval_sec
        if self._unanswered and self._lease.lease_sec is not None:
            wait = max(wait, self._lease.lease_sec / _TRIES)
        return max(0.0, self._sent_at + wait - self._clock.elapsed())
