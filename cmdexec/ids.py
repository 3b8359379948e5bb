"""Ids: UUIDv7 (RFC 9562), so that they sort by time of birth; and secrets, which are nothing but random."""

import re
from collections.abc import Callable, Iterator

from cmdexec.clock import Clock

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

RandomBytes = Callable[[int], bytes]
"""`n` → n random bytes. For ids any source will do; for secrets it must be the system's."""


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id: checked before an id is used in a path or a query."""
    return _PATTERN.fullmatch(text) is not None


_AT_ONCE = 64
"""Ids for which randomness is fetched at once: each time the kernel is asked costs more than all else of an id."""

_TAIL_BYTES = 8
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The first digit after the third dash: two bits say by what rules the id is made (RFC 9562, 4.1), two are random."""

_VARIANTS = bytes(byte & 0x3F | 0x80 for byte in range(256))
"""The same of the whole byte."""


class Ids:
    """Makes ids. Within a millisecond they go on rising by a counter of 12 bits; when that is used up, the next
    millisecond is borrowed. An id is never a secret."""

    def __init__(self, clock: Clock, random_bytes: RandomBytes) -> None:
        self._clock = clock
        self._random = random_bytes
        self._last = 0
        self._millis = -1
        self._head = ""
        self._tails: Iterator[str] = iter(())

    def new(self) -> str:
        """A new id, larger than any this object has made: `01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f`."""
        stamp = self._last = max(self._clock.now() << 12, self._last + 1)
        tail = next(self._tails, None) or self._more()
        if stamp >> 12 != self._millis:
            self._millis = stamp >> 12
            self._head = _head(self._millis)
        return f"{self._head}{stamp & 0xFFF:03x}-{_VARIANT[tail[0]]}{tail[1:4]}-{tail[4:]}"

    def several(self, count: int) -> tuple[str, ...]:
        """So many new ids, each larger than the one before it: a list of jobs is named in a third of the time."""
        first = max(self._clock.now() << 12, self._last + 1)
        self._last = first + count - 1
        tails = bytearray(self._random(_TAIL_BYTES * count))
        tails[::_TAIL_BYTES] = tails[::_TAIL_BYTES].translate(_VARIANTS)
        digits = iter(tails.hex("-", _TAIL_BYTES).split("-"))
        made: list[str] = []
        while count:
            millis, before = first >> 12, first & 0xFFF
            here = range(before, min(before + count, 0x1000))
            head = _head(millis)
            made += [f"{head}{place:03x}-{tail[:4]}-{tail[4:]}" for place, tail in zip(here, digits, strict=False)]
            first, count = first + len(here), count - len(here)
        return tuple(made)

    def _more(self) -> str:
        """The first of the next tails: 16 hex digits each."""
        digits, size = self._random(_TAIL_BYTES * _AT_ONCE).hex(), 2 * _TAIL_BYTES
        self._tails = iter([digits[start : start + size] for start in range(0, len(digits), size)])
        return next(self._tails)


def _head(millis: int) -> str:
    """The moment, and the version."""
    return f"{millis >> 16 & 0xFFFFFFFF:08x}-{millis & 0xFFFF:04x}-7"
