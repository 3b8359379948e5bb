"""Counters that servers share: one window of a key for all of them."""

import math
from typing import Protocol

from cmdexec.clock import Clock
from cmdexec.server.ratelimit.counters import MemoryCounters


class Place(Protocol):
    """Where they are kept (`cmdexec.notify.redis`)."""

    async def count(self, key: str, window_ms: int) -> tuple[int, int] | None:
        """How often the key was counted in its window, this time included, and how many milliseconds are left; None
        where the place is away."""
        ...


class SharedCounters:
    """`Counters` of all servers together, and of each alone while the place is away."""

    def __init__(self, place: Place, clock: Clock) -> None:
        self._place = place
        self._alone = MemoryCounters(clock)

    async def add(self, key: str, window_sec: float) -> tuple[int, float]:
        counted = await self._place.count(key, max(1, math.ceil(window_sec * 1000)))
        if counted is None:
            return await self._alone.add(key, window_sec)
        count, left_ms = counted
        return count, max(0.0, left_ms / 1000)
