"""Time, handed in. The only file that asks the machine what time it is."""

import asyncio
import time
from functools import lru_cache, partial
from typing import Protocol

Millis = int
"""Wall-clock time as milliseconds since 1970 UTC: stored and shown, never used to judge a lease (promise 9)."""


class Clock(Protocol):
    """What code may know of time."""

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never goes back, and counts the time that the machine was suspended."""
        ...

    def now(self) -> Millis:
        """The wall clock. It may jump; it is for display and for what people schedule."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The machine's clock. CLOCK_BOOTTIME counts suspended time (PEP 418); elsewhere the monotonic clock has to do."""

    def __init__(self) -> None:
        boottime, read = getattr(time, "CLOCK_BOOTTIME", None), getattr(time, "clock_gettime", None)
        self._elapsed = time.monotonic if boottime is None or read is None else partial(read, boottime)

    def elapsed(self) -> float:
        return self._elapsed()

    def now(self) -> Millis:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def awake() -> float:
    """Seconds since some fixed moment, without the time that the machine was suspended: what `SystemClock.elapsed` is
    ahead by, more and more, it has slept. Systems whose clocks do not say so have one clock for both."""
    return time.monotonic()


@lru_cache(maxsize=4096)
def rfc3339(moment: Millis | None) -> str | None:
    """`1764028800123` → `"2025-11-25T00:00:00.123Z"`; None stays None (RFC 3339, UTC, milliseconds).

    Remembered: a job shows the same moment several times, and those of a batch share theirs.
    """
    if moment is None:
        return None
    seconds, millis = divmod(moment, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    """Remembered: jobs that are shown together share few seconds."""
    parts = time.gmtime(seconds)
    return (
        f"{parts.tm_year:04d}-{parts.tm_mon:02d}-{parts.tm_mday:02d}T"
        f"{parts.tm_hour:02d}:{parts.tm_min:02d}:{parts.tm_sec:02d}"
    )
