"""Counting by key. A window begins with the first count under its key and ends by itself, so that of calls which come
within one window exactly as many as are allowed go through; over the border of two there may be twice as many."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from cmdexec.clock import Clock

_KEYS = 50_000
"""How many keys are counted; beyond, what was not counted for the longest time is forgotten. No setting: it is a bound
of memory (about 10 MB), far above the users, workers and places of one server, and fewer would let whoever has many
addresses push out the counts of others."""


class Counters(Protocol):
    """Several servers may share them. Counting never fails: where what is shared is away, each server counts alone."""

    async def add(self, key: str, window_sec: float) -> tuple[int, float]:
        """Count once under `key`, as one step: how often it was counted in its window, this time included, and how many
        seconds are left of that. The first count of a window gives it `window_sec` seconds."""
        ...


@dataclass(slots=True)
class _Window:
    ends_at: float
    count: int = 0


class MemoryCounters:
    """Those of one server. `keys`: how many are kept."""

    def __init__(self, clock: Clock, keys: int = _KEYS) -> None:
        self._clock = clock
        self._keys = keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    async def add(self, key: str, window_sec: float) -> tuple[int, float]:
        now = self._clock.elapsed()
        window = self._windows.get(key)
        if window is None or now >= window.ends_at:
            window = self._windows[key] = _Window(now + window_sec)
        self._windows.move_to_end(key)
        window.count += 1
        while len(self._windows) > self._keys:
            self._windows.popitem(last=False)
        return window.count, window.ends_at - now
