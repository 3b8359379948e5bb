"""A container's log as its engine sends it with the time of each record: the bytes that were written, as they were.

An engine keeps lines, a record each, and cuts lines longer than 16 KiB. Of those it drops the line's end, or sends it
as a record of nothing (Docker Engine 20.10, `daemon/logger/copier.go` and `local/read.go`): it is put back here. That
cannot be done for the last record of all: whether such a line ended there or was never ended looks the same.
"""

from collections.abc import Iterator

from cmdexec.worker.executors.contract import Stream
from cmdexec.worker.executors.engine_frames import Frames, NotFramesError

FULL = 16 * 1024
"""Bytes of each record of a long line but its last."""
RECORD_BYTES = 128
"""What a record takes in the log beside what was written, at most."""
_STAMP_BYTES = 64


class _Line:
    """One stream's. `open`: the record before was full, so the line goes on; `owed`: its end may have been dropped."""

    def __init__(self) -> None:
        self.open = self.owed = False


class Records:
    """`first`: the time of the first record, as the engine writes it; `kept`: bytes that all take there, at most."""

    def __init__(self) -> None:
        self.first: bytes | None = None
        self.kept = 0
        self._frames = Frames()
        self._lines: dict[Stream, _Line] = {"stdout": _Line(), "stderr": _Line()}
        self._stamp: bytearray | None = bytearray()
        self._size = 0
        self._ended = False

    @property
    def whole(self) -> bool:
        """Whether the end of what was fed is the end of a record."""
        return self._frames.whole

    def owed(self, stream: Stream) -> bool:
        """Whether an end of a line may be missing after the last record."""
        return self._lines[stream].owed

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """What of each stream is in `data`. Raises NotFramesError."""
        for stream, raw in self._frames.feed(data):
            line = self._lines[stream]
            piece = self._after_stamp(raw)
            if self._stamp is None:
                if line.owed:
                    line.owed = False
                    yield stream, b"\n"
                if piece:
                    self._size += len(piece)
                    self._ended = piece.endswith(b"\n")
                    yield stream, piece
            if self._frames.whole and self._end_of_record(line):
                yield stream, b"\n"

    def _after_stamp(self, raw: bytes) -> bytes:
        if self._stamp is None:
            return raw
        head, space, piece = raw.partition(b" ")
        self._stamp += head
        if len(self._stamp) > _STAMP_BYTES:
            raise NotFramesError("the engine sent what is no log of a container")
        if space:
            self.first = self.first or bytes(self._stamp)
            self._stamp = None
        return piece

    def _end_of_record(self, line: _Line) -> bool:
        """True: it is the end of a long line, and nothing else."""
        if self._stamp is not None:
            raise NotFramesError("the engine sent what is no log of a container")
        size, ended = self._size, self._ended
        self.kept += size + RECORD_BYTES
        self._stamp, self._size, self._ended = bytearray(), 0, False
        line.owed = line.open and 0 < size < FULL and not ended
        line.open = size >= FULL and not ended
        return not size
