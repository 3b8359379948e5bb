"""The end of what each job wrote, for the window: both streams in the order in which they came, within bounds.

The worker's spool gives up what the server has, so this is kept beside it, and only while there is a window.
"""

from collections import deque
from dataclasses import dataclass, field

from cmdexec.worker.executors.contract import Stream

_PART = 16
"""A job has at most this part of the whole."""
_KEPT = 20
"""How many jobs that have ended are kept."""
_JOINED = 16 * 1024
"""Small pieces are joined up to this length."""


@dataclass(slots=True)
class _Tail:
    pieces: deque[tuple[Stream, bytearray]] = field(default_factory=deque)
    start: int = 0
    end: int = 0
    ended: bool = False

    @property
    def size(self) -> int:
        return self.end - self.start

    def add(self, stream: Stream, data: bytes) -> None:
        if self.pieces and self.pieces[-1][0] == stream and len(self.pieces[-1][1]) + len(data) <= _JOINED:
            self.pieces[-1][1].extend(data)
        else:
            self.pieces.append((stream, bytearray(data)))
        self.end += len(data)

    def drop(self) -> int:
        """Give up the oldest piece; how much that was."""
        if not self.pieces:
            return 0
        size = len(self.pieces.popleft()[1])
        self.start += size
        return size

    def skip(self, size: int) -> int:
        """Give up all that there is, and so much that comes next; how much there was."""
        had = self.size
        self.pieces.clear()
        self.start = self.end = self.end + size
        return had


@dataclass(frozen=True, slots=True)
class Part:
    """What there is from a place on. `start`: where it begins, which is later where that is kept no longer; `end`:
    where the next one begins; `over`: nothing more comes after it."""

    start: int
    end: int
    pieces: tuple[tuple[Stream, bytes], ...]
    over: bool


class Tails:
    """By key of the attempt. Places count the bytes of both streams together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tails: dict[str, _Tail] = {}
        self._ended: deque[str] = deque()
        self._held = 0

    def begin(self, key: str) -> None:
        """That one has begun."""
        self._tails.setdefault(key, _Tail())

    def write(self, key: str, stream: Stream, data: bytes) -> None:
        """It wrote something."""
        tail, bound = self._tails.setdefault(key, _Tail()), self._most // _PART
        if len(data) > bound:
            self._held -= tail.skip(len(data) - bound)
        tail.add(stream, data[-bound:])
        self._held += min(len(data), bound)
        while tail.size > bound and len(tail.pieces) > 1:
            self._held -= tail.drop()
        while self._held > self._most and (oldest := self._largest()) is not None:
            self._held -= oldest.drop()

    def _largest(self) -> _Tail | None:
        return max(self._tails.values(), key=lambda tail: tail.size, default=None)

    def end(self, key: str) -> None:
        """It wrote its last."""
        tail = self._tails.setdefault(key, _Tail())
        tail.ended = True
        self._ended.append(key)
        while len(self._ended) > _KEPT:
            gone = self._tails.pop(self._ended.popleft(), None)
            self._held -= gone.size if gone is not None else 0

    def read(self, key: str, place: int, most: int) -> Part | None:
        """From `place` on, about `most` bytes; None: nothing is known of that one."""
        tail = self._tails.get(key)
        if tail is None:
            return None
        at, found, size = tail.start, list[tuple[Stream, bytes]](), 0
        start = max(place, tail.start)
        for stream, data in tail.pieces:
            after = at + len(data)
            if after > start:
                if size >= most:
                    break
                part = bytes(data[max(0, start - at) :])
                found.append((stream, part))
                size += len(part)
            at = after
        return Part(start, start + size, tuple(found), tail.ended and start + size >= tail.end)
