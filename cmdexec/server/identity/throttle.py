"""Guessing takes longer and longer: for each account, and for each place that guesses come from. No lock-out."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable

_KEYS = 20_000
"""How many accounts and places are kept. No setting: a bound of memory (about 5 MB), and what has led to a wait goes
last."""

_FORGET = 4
"""A wait counts as served, and its failures as forgotten, after this many times the longest wait without another."""

_WAITING, _WAITING_OF_KEY = 200, 50
"""Tries that wait for others to end, of all and of one key."""


@dataclass(slots=True)
class _Tries:
    failed: int = 0
    not_before: float = 0.0
    last: float = 0.0


class Turn:
    """A try under way. What is not said to have failed counts nowhere: it was right, or nobody can tell."""

    def __init__(self, throttle: "Throttle", free: Mapping[str, int]) -> None:
        self._throttle = throttle
        self._free = free

    def failed(self) -> None:
        """It was wrong: it counts under all of its keys."""
        for key, tries in self._free.items():
            self._throttle.failed(key, tries)


class Throttle:
    """Counts failures by key. Some are free; each one more doubles the wait, from 1 s up to `longest_sec`.

    As many tries are under way at once as would be let through if all of them failed; the others wait for one to end.
    So guesses made side by side gain nothing, and good logins made side by side lose nothing. What has led to a wait
    is forgotten last where too much would have to be kept.
    """

    def __init__(self, clock: Clock, *, longest_sec: float) -> None:
        self._clock = clock
        self._longest = longest_sec
        self._light: OrderedDict[str, _Tries] = OrderedDict()
        self._heavy: OrderedDict[str, _Tries] = OrderedDict()
        self._under_way: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._waiters: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def turn(self, free: Mapping[str, int]) -> AsyncIterator[Turn]:
        """A try under all of these keys, with how many failures of each are free. Raises Unavailable: `too_many` if one
        of them has to wait, `overloaded` if too many wait for others to end; then nothing is counted."""
        self._refuse(tuple(free), "Too many failed logins.")
        while not all(self._has_room(key, tries) for key, tries in free.items()):
            await self._wait(tuple(free))
            self._refuse(tuple(free), "Too many failed logins.")
        self._under_way.update(free.keys())
        try:
            yield Turn(self, free)
        finally:
            _take_away(self._under_way, free)
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def check(self, key: str, message: str) -> None:
        """Raises Unavailable(`too_many`), with that message, if `key` has to wait; counts nothing."""
        self._refuse((key,), message)

    def failed(self, key: str, free: int) -> None:
        """A try under `key` has failed; `free` failures cost no wait."""
        now = self._clock.elapsed()
        tries = self._found(key) or _Tries()
        tries.failed += 1
        tries.last = now
        over = tries.failed - free
        if over >= 0:
            tries.not_before = now + min(2.0 ** min(over, 30), self._longest)
        self.succeeded(key)
        (self._heavy if over >= 0 else self._light)[key] = tries
        while len(self._light) + len(self._heavy) > _KEYS:
            (self._light or self._heavy).popitem(last=False)

    def succeeded(self, key: str) -> None:
        """The try under `key` was right: nothing is held against it any more."""
        self._light.pop(key, None)
        self._heavy.pop(key, None)

    def _refuse(self, keys: tuple[str, ...], message: str) -> None:
        found = [tries.not_before for tries in map(self._found, keys) if tries is not None]
        wait = max(found, default=0.0) - self._clock.elapsed()
        if wait > 0:
            raise Unavailable("too_many", message, retry_after=wait, mend=f"Try again in {wait:.0f} s or later.")

    def _has_room(self, key: str, free: int) -> bool:
        under_way = self._under_way[key]
        tries = self._found(key)
        return not under_way or (tries.failed if tries else 0) + under_way < free

    async def _wait(self, keys: tuple[str, ...]) -> None:
        """Until a try has ended."""
        if len(self._waiters) >= _WAITING or any(self._waiting[key] >= _WAITING_OF_KEY for key in keys):
            raise Unavailable("overloaded", "Too many people log in at once.", retry_after=2.0)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._waiting.update(keys)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)
            _take_away(self._waiting, keys)

    def _found(self, key: str) -> _Tries | None:
        tries = self._heavy.get(key) or self._light.get(key)
        forgotten = tries is not None and self._clock.elapsed() - tries.last > self._longest * _FORGET
        return None if forgotten else tries


def _take_away(counts: Counter[str], keys: Mapping[str, int] | tuple[str, ...]) -> None:
    for key in keys:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]


def source_key(address: str) -> str:
    """What a place is counted under: an IPv4 address, or the /64 that somebody with IPv6 has to himself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return f"from {address[:64]}"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return f"from {mapped}" if mapped else f"from {parsed.exploded[:19]}"
    return f"from {parsed}"
