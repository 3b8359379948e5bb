"""How far ahead of its free slots a worker is given jobs, and may ask for starts ("Batching is the architecture")."""

from collections import deque

SHORT_SEC = 2.0
"""Jobs with a longer median are given out one a free slot: another worker may come and take them."""

BRIEF_SEC = 0.05
"""Only jobs with a shorter median are asked ahead of a slot: the reply takes about as long as they do."""

SETTLED = 10
"""Jobs that must have ended before their pace is trusted."""

TURN_SEC = 0.1
"""Jobs ended within this time, and two round trips, come again before the next assignment does."""


class Pace:
    """The recent ends of one worker's jobs. Bounded: the last `window` of them; a median of the last 31."""

    def __init__(self, window: int = 512) -> None:
        self.total = 0
        self._ends: deque[float] = deque(maxlen=window)
        self._lasted: deque[float] = deque(maxlen=31)
        self._median: float | None = None

    def ended(self, now: float, lasted_sec: float) -> None:
        """One has ended at `now`, a time that never goes back, after running for `lasted_sec`."""
        self.total += 1
        self._ends.append(now)
        self._lasted.append(lasted_sec)
        self._median = None

    @property
    def median_sec(self) -> float | None:
        """The median of how long the last ones ran; None before the first."""
        if self._median is None and self._lasted:
            self._median = sorted(self._lasted)[len(self._lasted) // 2]
        return self._median

    def within(self, now: float, seconds: float) -> int:
        """How many ended in the last `seconds`, at most the window."""
        count = 0
        for end in reversed(self._ends):
            if now - end > seconds:
                break
            count += 1
        return count


def prefetch(slots: int, pace: Pace, now: float, round_trip_sec: float, most: int = 256) -> int:
    """How many jobs a worker may hold beyond its slots."""
    median = pace.median_sec
    if pace.total < SETTLED or median is None or median > SHORT_SEC:
        return 0
    return min(most, 2 * slots + pace.within(now, TURN_SEC + 2 * round_trip_sec))


def start_ahead(slots: int, pace: Pace, now: float, round_trip_sec: float, most: int = 96) -> int:
    """How many starts a worker may ask for beyond its free slots."""
    median = pace.median_sec
    if median is None or median >= BRIEF_SEC:
        return 0
    return min(most, slots + pace.within(now, round_trip_sec))
