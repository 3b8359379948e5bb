"""Ids: UUIDv7 (RFC 9562), so that they sort by time of birth; and secrets, which are nothing but random."""

import re
from collections.abc import Callable

from cmdexec.clock import Clock

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

RandomBytes = Callable[[int], bytes]
"""`n` → n random bytes. For ids any source will do; for secrets it must be the system's."""


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id: checked before an id is used in a path or a query."""
    return _PATTERN.fullmatch(text) is not None


class Ids:
    """Makes ids. Within a millisecond they go on rising by a counter of 12 bits; when that is used up, the next
    millisecond is borrowed. An id is never a secret."""

    def __init__(self, clock: Clock, random_bytes: RandomBytes) -> None:
        self._clock = clock
        self._random = random_bytes
        self._last = 0

    def new(self) -> str:
        """A new id, larger than any this object has made: `01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f`."""
        stamp = max(self._clock.now() << 12, self._last + 1)
        self._last = stamp
        tail = int.from_bytes(self._random(8), "big") & ((1 << 62) - 1)
        digits = f"{(stamp >> 12) & ((1 << 48) - 1):012x}7{stamp & 0xFFF:03x}{(0b10 << 62) | tail:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
