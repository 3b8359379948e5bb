"""Where the body of an engine's answer ends: as HTTP/1.1 marks it, so that an answer that broke off is no whole one."""

from collections.abc import Iterator, Mapping
from typing import Protocol

_LINE_BYTES = 8 * 1024
_SIZE_DIGITS = 8
"""Of a chunk's length, which is written in base 16: 4 GiB are more than any engine sends as one."""


class Body(Protocol):
    """`over`: all of it has come. `marked`: its end is marked, so it is whole only when `over`."""

    over: bool
    marked: bool

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What of the body is in `data`. Raises ConnectionError where it is no such body."""
        ...


def body_of(head: bytes) -> Body:
    """The body that follows this head, which is that of the status line and the headers."""
    headers = _headers(head)
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return _Chunks()
    length = headers.get(b"content-length", b"")
    return _Sized(int(length)) if length.isdigit() else _ToTheEnd()


def _headers(head: bytes) -> Mapping[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in lines}


class _ToTheEnd:
    """Until the connection ends."""

    over = marked = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data


class _Sized:
    """Of a length that was said before."""

    marked = True

    def __init__(self, size: int) -> None:
        self._left = size
        self.over = not size

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = data[: self._left]
        self._left -= len(piece)
        self.over = not self._left
        if piece:
            yield piece


class _Chunks:
    """In chunks, of which each says its length; one of no bytes is the last (RFC 9112, 7.1)."""

    marked = True

    def __init__(self) -> None:
        self.over = False
        self._line = bytearray()
        self._left = 0
        self._ended = True  # the chunk before, with its line end

    def feed(self, data: bytes) -> Iterator[bytes]:
        place = 0
        while place < len(data) and not self.over:
            if self._left:
                piece = data[place : place + self._left]
                place += len(piece)
                self._left -= len(piece)
                yield piece
                continue
            end = data.find(b"\n", place) + 1
            self._line += data[place : end or len(data)]
            place = end or len(data)
            if len(self._line) > _LINE_BYTES:
                raise ConnectionError("the engine's answer is cut into no chunks")
            if end:
                self._take_line(bytes(self._line).strip())
                self._line.clear()

    def _take_line(self, line: bytes) -> None:
        if not self._ended and not line:
            self._ended = True
            return
        digits = line.partition(b";")[0].strip()
        try:
            if not self._ended or not 0 < len(digits) <= _SIZE_DIGITS:
                raise ValueError
            self._left = int(digits, 16)
        except ValueError:
            raise ConnectionError("the engine's answer is cut into no chunks") from None
        self._ended = False
        self.over = not self._left
