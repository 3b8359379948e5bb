"""What waits to be said over HTTP: bounded, what goes well together taken together, each attempt's in its order.

There are three queues, so that a call which fails or hangs holds up nothing that does not depend on it: what the worker
says of itself and asks for, results, and output. Only the end of an attempt, its result or its release, waits until
all its output has been said.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from cmdexec.protocol.codec import encode
from cmdexec.protocol.messages import Chunk, Chunks, Heartbeat, Held, OutputHeader
from cmdexec.worker.polling_bodies import Bodies

_ITEMS_AT_ONCE = 500
_CHUNKS_AT_ONCE = 100
_AROUND_BYTES = 150
"""What a chunk in a body has besides its bytes in base64, at most."""

_JOINED = frozenset({"start", "released", "done"})
_ENDS = frozenset({"released", "done"})

Key = tuple[str, int]
"""An attempt: job id and number."""


@dataclass(frozen=True, slots=True)
class Said:
    """An item of a frame as JSON: which of how many it is, what attempt it is about, and when it was put (elapsed
    seconds)."""

    op: str
    number: int
    index: int
    count: int
    about: Key | None
    item: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of output."""

    header: OutputHeader
    data: bytes

    @property
    def about(self) -> Key:
        return self.header.job_id, self.header.attempt


class Speech:
    """The queues. `body_max`: the largest body of a request, in bytes; `bodies` may bound it further."""

    def __init__(self, body_max: int, bodies: Bodies, *, queue_items: int, queue_bytes: int) -> None:
        self._line_max, self._bodies = body_max, bodies
        self._queue_items, self._queue_bytes = queue_items, queue_bytes
        self._frames: deque[Said] = deque()
        self._results: deque[Said] = deque()
        self._output: dict[Key, deque[Piece]] = {}
        self._busy: set[Key] = set()
        self._open: dict[int, int] = {}
        self._pieces = self._bytes = 0

    def bound(self, body_max: int) -> None:
        """No body may be larger than this, either."""
        self._line_max = min(self._line_max, body_max)

    @property
    def _body_max(self) -> int:
        return min(self._line_max, self._bodies.most)

    @property
    def _output_max(self) -> int:
        return (self._body_max - (_CHUNKS_AT_ONCE + 2) * _AROUND_BYTES) * 3 // 4

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._open or self._output)

    @property
    def _waiting(self) -> int:
        return len(self._open) + self._pieces

    @property
    def too_much(self) -> bool:
        """Whether more waits than may."""
        return self._waiting > 1 and (self._waiting > self._queue_items or self._bytes > self._queue_bytes)

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of it free. Where nothing waits, there is room for anything."""
        half_free = self._waiting * 2 < self._queue_items
        return not self._waiting or (half_free and self._bytes + size <= self._queue_bytes // 2)

    # What is put -----------------------------------------------------------------------------------------------------

    def put(self, frame: Any, now: float) -> None:
        """A frame, behind those before it."""
        queue = self._results if frame.op == "done" else self._frames
        for index, item in enumerate(frame.items):
            about = (item.job_id, item.attempt) if frame.op in _JOINED else None
            encoded = encode(self._complete(item))
            one = Said(frame.op, frame.id or 0, index, len(frame.items), about, encoded, now)
            self._count(one)
            queue.append(one)

    def _complete(self, item: Any) -> Any:
        """A complete list goes ahead of a release that waits for its output: so it still has that attempt."""
        if not isinstance(item, Heartbeat) or item.jobs is None:
            return item
        later = {one.about for one in self._frames if one.op == "released" and one.about is not None}
        later -= {(held.job_id, held.attempt) for held in item.jobs}
        more = (Held(job_id=job_id, attempt=attempt) for job_id, attempt in sorted(later))
        return structs.replace(item, jobs=(*item.jobs, *more)) if later else item

    def _count(self, one: Said) -> None:
        self._open[one.number] = self._open.get(one.number, 0) + 1
        self._bytes += len(one.item)

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        """A piece of output, behind those of its attempt before it."""
        piece = Piece(header, bytes(data))
        self._output.setdefault(piece.about, deque()).append(piece)
        self._pieces += 1
        self._bytes += len(piece.data)

    def put_back(self, taken: Sequence[Said | Piece]) -> None:
        """It was not said, and is to be said next, perhaps by several calls."""
        for one in reversed(taken):
            if isinstance(one, Said):
                self._count(one)
                (self._results if one.op == "done" else self._frames).appendleft(one)
            else:
                self._output.setdefault(one.about, deque()).appendleft(one)
                self._pieces += 1
                self._bytes += len(one.data)

    def drop(self, job_id: str, attempt: int) -> None:
        """Say no more of the output of this attempt: a piece before it was not taken."""
        dropped = self._output.pop((job_id, attempt), ())
        self._pieces -= len(dropped)
        self._bytes -= sum(len(one.data) for one in dropped)

    def clear(self) -> None:
        """Say nothing more."""
        for queue in (self._frames, self._results, self._output, self._open):
            queue.clear()
        self._pieces = self._bytes = 0

    # What is taken ---------------------------------------------------------------------------------------------------

    def take_frames(self) -> list[Said]:
        """What the worker says next of itself: items of one kind. Empty: nothing may be said now."""
        self._frames, taken = self._first_of(self._frames)
        return taken

    def take_results(self) -> list[Said]:
        """The results that may be said next."""
        self._results, taken = self._first_of(self._results)
        return taken

    def _first_of(self, queue: deque[Said]) -> tuple[deque[Said], list[Said]]:
        """What is left of a queue, and what comes next of those that need not wait."""
        taken: list[Said] = []
        kept: deque[Said] = deque()
        size, full, most = 0, False, self._body_max // 2
        for one in queue:
            if full or (one.op in _ENDS and (one.about in self._output or one.about in self._busy)):
                kept.append(one)
                continue
            size += len(one.item)
            apart = taken and (one.op != taken[0].op or one.op not in _JOINED)
            if apart or (taken and (len(taken) >= _ITEMS_AT_ONCE or size > most)):
                full = True
                kept.append(one)
                continue
            taken.append(one)
            self._bytes -= len(one.item)
            left = self._open[one.number] - 1
            if left:
                self._open[one.number] = left
            else:
                del self._open[one.number]
        return kept, taken

    def take_output(self) -> list[Piece]:
        """The output that is to be said next, of one attempt; the attempts by turns. No more is taken of that one until
        `said`."""
        about = next((key for key in self._output if key not in self._busy), None)
        if about is None:
            return []
        self._busy.add(about)
        pieces = self._output.pop(about)
        taken: list[Piece] = []
        most = self._output_max
        while pieces and len(taken) < _CHUNKS_AT_ONCE and most > 0:
            first = pieces.popleft()
            self._pieces -= 1
            if len(first.data) > most:
                if taken:
                    pieces.appendleft(first)
                    self._pieces += 1
                    break
                first, rest = _parted(first, most)
                pieces.appendleft(rest)
                self._pieces += 1
            taken.append(first)
            most -= len(first.data)
            self._bytes -= len(first.data)
        if pieces:
            self._output[about] = pieces
        return taken

    def said(self, taken: Sequence[Piece]) -> None:
        """The call that said these is over."""
        self._busy.difference_update(piece.about for piece in taken)


def _parted(piece: Piece, size: int) -> tuple[Piece, Piece]:
    header = piece.header
    after = structs.replace(header, offset=header.offset + size)
    return Piece(header, piece.data[:size]), Piece(after, piece.data[size:])


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
