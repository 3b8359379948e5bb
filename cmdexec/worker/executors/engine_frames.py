"""Taking apart what an engine sends of a container's output: both streams in one, in pieces that say whose they are."""

from collections.abc import Iterator

from cmdexec.worker.executors.contract import Stream

_HEAD = 8
_STREAMS: dict[int, Stream] = {0: "stdout", 1: "stdout", 2: "stderr"}
PIECE_MAX = 64 * 1024 * 1024
"""A length above this is no length."""


class NotFramesError(ConnectionError):
    """What came is no such sequence."""


class Frames:
    """Pieces of `u8 stream · 3 × 0 · u32 length · bytes` (big-endian), however they are cut."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self._stream: Stream = "stdout"
        self.count = 0

    @property
    def whole(self) -> bool:
        """Whether the end of what was fed is the end of a piece."""
        return not self._head and not self._left

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """What of each stream is in `data`. Raises NotFramesError."""
        place, size = 0, len(data)
        while place < size:
            if self._left:
                piece = data[place : place + self._left]
                place += len(piece)
                self._left -= len(piece)
                yield self._stream, piece
                continue
            wanted = _HEAD - len(self._head)
            self._head += data[place : place + wanted]
            place += wanted
            if len(self._head) == _HEAD:
                stream = _STREAMS.get(self._head[0])
                self._left = int.from_bytes(self._head[4:], "big")
                if stream is None or any(self._head[1:4]) or self._left > PIECE_MAX:
                    raise NotFramesError("the engine sent what is no output of a container")
                self._stream = stream
                self._head.clear()
                self.count += 1
