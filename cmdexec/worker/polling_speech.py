"""What waits to be said over HTTP: in its order, bounded, and what goes well together taken together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cmdexec.protocol.codec import encode
from cmdexec.protocol.messages import Chunk, Chunks, OutputHeader

_ITEMS_AT_ONCE = 500
_CHUNKS_AT_ONCE = 100
_AROUND_BYTES = 150
"""What a chunk in a body has besides its bytes in base64, at most."""

_JOINED = frozenset({"start", "released", "done"})


@dataclass(frozen=True, slots=True)
class Said:
    """A frame: its items as JSON, and when it was put (elapsed seconds)."""

    op: str
    number: int | None
    items: Sequence[bytes]
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of output."""

    header: OutputHeader
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


class Speech:
    """The queue. `body_max`: the largest body of a request, in bytes."""

    def __init__(self, body_max: int, *, queue_items: int, queue_bytes: int) -> None:
        self._body_max = self._output_max = self._frames_max = body_max
        self.bound(body_max)
        self._queue_items, self._queue_bytes = queue_items, queue_bytes
        self._waiting: deque[Said | Piece] = deque()
        self._bytes = 0

    def bound(self, body_max: int) -> None:
        """No body may be larger than this, either."""
        self._body_max = min(self._body_max, body_max)
        self._output_max = (self._body_max - (_CHUNKS_AT_ONCE + 2) * _AROUND_BYTES) * 3 // 4
        self._frames_max = self._body_max // 2

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    @property
    def too_much(self) -> bool:
        """Whether more waits than may."""
        waiting = len(self._waiting)
        return waiting > 1 and (waiting > self._queue_items or self._bytes > self._queue_bytes)

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of it free. Where nothing waits, there is room for anything."""
        half_free = len(self._waiting) * 2 < self._queue_items
        return not self._waiting or (half_free and self._bytes + size <= self._queue_bytes // 2)

    def put(self, frame: Any, now: float) -> None:
        """A frame, last in the queue."""
        items = [encode(item) for item in frame.items]
        self._push(Said(frame.op, frame.id, items, sum(map(len, items)), now))

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        """A piece of output, last in the queue; in parts, where it does not fit into one body."""
        data = bytes(data)
        for start in range(0, len(data), self._output_max):
            part = data[start : start + self._output_max]
            at = OutputHeader(
                job_id=header.job_id, attempt=header.attempt, stream=header.stream, offset=header.offset + start,
                seq=header.seq,
            )  # fmt: skip
            self._push(Piece(at, part))

    def take(self) -> list[Said] | list[Piece]:
        """What is to be said next, by one call: output of one attempt, or frames of one kind."""
        first = self._pop()
        return self._pieces(first) if isinstance(first, Piece) else self._frames(first)

    def drop(self, job_id: str, attempt: int) -> None:
        """Say no more of the output of this attempt: a piece before it was not taken."""
        kept = [
            one for one in self._waiting
            if not isinstance(one, Piece) or (one.header.job_id, one.header.attempt) != (job_id, attempt)
        ]  # fmt: skip
        self._waiting = deque(kept)
        self._bytes = sum(one.size for one in kept)

    def clear(self) -> None:
        """Say nothing more."""
        self._waiting.clear()
        self._bytes = 0

    def _push(self, one: Said | Piece) -> None:
        self._waiting.append(one)
        self._bytes += one.size

    def _pop(self) -> Said | Piece:
        one = self._waiting.popleft()
        self._bytes -= one.size
        return one

    def _frames(self, first: Said) -> list[Said]:
        taken, items, size = [first], len(first.items), first.size
        while first.op in _JOINED and self._waiting:
            after = self._waiting[0]
            if isinstance(after, Piece) or after.op != first.op:
                break
            items, size = items + len(after.items), size + after.size
            if items > _ITEMS_AT_ONCE or size > self._frames_max:
                break
            self._pop()
            taken.append(after)
        return taken

    def _pieces(self, first: Piece) -> list[Piece]:
        taken, size = [first], first.size
        while self._waiting and len(taken) < _CHUNKS_AT_ONCE:
            after = self._waiting[0]
            if isinstance(after, Said) or not _same_attempt(first, after) or size + after.size > self._output_max:
                break
            self._pop()
            taken.append(after)
            size += after.size
        return taken


def _same_attempt(one: Piece, other: Piece) -> bool:
    return (one.header.job_id, one.header.attempt) == (other.header.job_id, other.header.attempt)


def chunks_of(pieces: Sequence[Piece]) -> Chunks:
    """These pieces of one attempt as a request."""
    about = pieces[0].header
    return Chunks(
        job_id=about.job_id, attempt=about.attempt,
        chunks=tuple(
            Chunk(stream=one.header.stream, offset=one.header.offset, data=one.data, seq=one.header.seq)
            for one in pieces
        ),
    )  # fmt: skip
