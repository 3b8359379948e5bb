"""One stream of an attempt, from the first byte that is not acknowledged to the last that was written."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cmdexec.worker.spool.segments import Segments, Write

_JOINED = 64 * 1024
"""Small pieces are joined up to this length: a piece a byte would cost a hundred times its size."""


class StreamSpool:
    """Offsets are of the stream as it is stored, from 0. Invariant: each byte of [acked, end) is in memory or on disk,
    but for those that `lost_from` says are in neither.

    end     one past the last byte
    sent    one past the last byte on its way to the server
    acked   one past the last byte that the server has on stable storage
    held    bytes in memory
    marked  up to here it may be written to disk at the next turn of the writer: it has waited for one turn
    busy    a planned write is under way in a thread: no file may be deleted
    """

    __slots__ = ("_chunks", "_first", "acked", "busy", "disk", "end", "held", "lost_from", "marked", "sent", "seq")

    def __init__(self, disk: Segments) -> None:
        self.disk = disk
        self.end = 0
        self.sent = 0
        self.acked = 0
        self.held = 0
        self.marked = 0
        self.seq = 0
        self.busy = False
        self.lost_from: int | None = None
        self._chunks: deque[bytes | bytearray] = deque()
        self._first = 0  # offset of the first byte in memory

    @property
    def unsent(self) -> int:
        return self.end - self.sent

    def append(self, data: bytes) -> None:
        """The next bytes."""
        chunks = self._chunks
        if not chunks:
            self._first = self.end
            chunks.append(data)
        elif len(chunks[-1]) + len(data) <= _JOINED:
            last = chunks[-1]
            if isinstance(last, bytes):
                chunks[-1] = last = bytearray(last)
            last += data
        else:
            chunks.append(data)
        self.end += len(data)
        self.held += len(data)

    def restore(self, end: int, tail: bytes) -> None:
        """What an earlier process left of an ended stream: its length and last bytes; the rest is on disk, or lost."""
        self.end = self._first = end - len(tail)
        if tail:
            self.append(tail)
        first = end - len(tail)
        start = self.disk.start
        if start is not None and self.disk.end >= first:
            first = min(start, first)
        self.acked = self.sent = self.marked = first

    def in_memory(self, start: int, limit: int) -> bytes | None:
        """Up to `limit` bytes from `start` on; None when they are not in memory."""
        if start < self._first or not self._chunks:
            return None
        return b"".join(self._parts(start, min(start + limit, self.end)))

    def _parts(self, start: int, stop: int) -> Iterator[bytes | bytearray]:
        place = self._first
        for chunk in self._chunks:
            after = place + len(chunk)
            if after > start:
                if place >= start and after <= stop:
                    yield chunk
                else:
                    yield chunk[max(0, start - place) : stop - place]
            place = after
            if place >= stop:
                return

    def ack(self, offset: int) -> list[Path]:
        """The server has all below `offset`; what is no longer needed is freed. Returns files to delete."""
        if offset <= self.acked:
            return []
        self.acked = min(offset, self.end)
        self.sent = max(self.sent, self.acked)
        self._free(self.acked)
        return [] if self.busy else self.disk.release(self.acked)

    @property
    def loose(self) -> int:
        """The first byte that is in memory alone."""
        return max(self.acked, self.disk.end, self._first)

    def plan(self, upto: int, most: int) -> list[Write]:
        """The writes that bring to disk up to `most` bytes of what lies below `upto` and is neither there nor
        acknowledged; `wrote` or `failed` must follow."""
        start = self.loose
        data = self.in_memory(start, min(most, upto - start)) if upto > start else None
        if not data:
            return []
        self.busy = True
        return self.disk.plan(start, data)

    def wrote(self, writes: list[Write], *, forget: bool) -> list[Path]:
        """These writes are on disk; with `forget` memory gives up what the disk has. Returns files to delete."""
        self.busy = False
        self.disk.wrote(writes)
        if forget:
            self._free(self.disk.end)
        return self.disk.release(self.acked)

    def failed(self) -> None:
        """The planned writes could not be done."""
        self.busy = False

    def _free(self, offset: int) -> None:
        """Give up what is in memory below `offset`, by whole pieces."""
        chunks = self._chunks
        while chunks and self._first + len(chunks[0]) <= offset:
            size = len(chunks.popleft())
            self._first += size
            self.held -= size

    def rewind(self, offset: int) -> None:
        """Send again from `offset`. What is no longer there is lost from there on."""
        if offset < self.acked:
            self.lost_from = offset
        self.sent = max(offset, self.acked)

    def drop(self) -> list[Path]:
        """Give up all of it. Returns files to delete."""
        self._chunks.clear()
        self.held = 0
        self.sent = self.acked = self.marked = self._first = self.end
        return [] if self.busy else self.disk.release(self.end)
