"""Guessing takes longer and longer: for each account, and for each place that guesses come from. No lock-out."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable

_KEYS = 20_000
_FORGET = 4
"""A wait counts as served, and its failures as forgotten, after this many times the longest wait without another."""


@dataclass(slots=True)
class _Tries:
    failed: int = 0
    not_before: float = 0.0
    last: float = 0.0


class Throttle:
    """Counts failures by key. Some are free; each one more doubles the wait, from 1 s up to `longest_sec`.

    A try counts as failed until `succeeded` or `undo` says otherwise, so that guesses made side by side count as well.
    """

    def __init__(self, clock: Clock, *, longest_sec: float) -> None:
        self._clock = clock
        self._longest = longest_sec
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def begin(self, free: Mapping[str, int]) -> None:
        """A try under all of these keys, with how many failures of each are free. Raises Unavailable(`too_many`) if one
        of them has to wait; then none is counted."""
        self._wait(tuple(free), "Too many failed logins.")
        for key, tries in free.items():
            self.failed(key, tries)

    def check(self, key: str, message: str) -> None:
        """Raises Unavailable(`too_many`), with that message, if `key` has to wait; counts nothing."""
        self._wait((key,), message)

    def failed(self, key: str, free: int) -> None:
        """A try under `key` has failed; `free` failures cost no wait."""
        now = self._clock.elapsed()
        tries = self._of(key, now)
        tries.failed += 1
        tries.last = now
        over = tries.failed - free
        if over >= 0:
            tries.not_before = now + min(2.0 ** min(over, 30), self._longest)

    def succeeded(self, key: str) -> None:
        """The try under `key` was right: nothing is held against it any more."""
        self._tries.pop(key, None)

    def undo(self, key: str) -> None:
        """The try under `key` was right, which excuses that one and no other."""
        tries = self._tries.get(key)
        if tries is not None:
            tries.failed = max(0, tries.failed - 1)
            tries.not_before = 0.0

    def _wait(self, keys: tuple[str, ...], message: str) -> None:
        now = self._clock.elapsed()
        wait = max((self._of(key, now).not_before for key in keys), default=0.0) - now
        if wait > 0:
            raise Unavailable("too_many", message, retry_after=wait, mend=f"Try again in {wait:.0f} s or later.")

    def _of(self, key: str, now: float) -> _Tries:
        tries = self._tries.get(key)
        if tries is None or now - tries.last > self._longest * _FORGET:
            tries = self._tries[key] = _Tries(last=now)
            while len(self._tries) > _KEYS:
                self._tries.popitem(last=False)
        self._tries.move_to_end(key)
        return tries


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
