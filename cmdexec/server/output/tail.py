"""The newest output of a followed stream, kept in memory."""

from collections import deque


class Tail:
    """The last `most` bytes of one stream, without gaps. `end`: how far the stream is known to be stored."""

    __slots__ = ("_most", "_pieces", "_size", "end")

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self.end = 0

    def grew(self, end: int, data: bytes) -> None:
        """The stream is stored up to `end`, and `data` is what ends there (or is not told)."""
        if end <= self.end:
            return
        start = end - len(data)
        if not data or start > self.end:
            self._pieces.clear()
            self._size = 0
        elif start < self.end and self._pieces:
            data = data[self.end - start :]
            start = self.end
        self.end = end
        if not data:
            return
        self._pieces.append((start, data))
        self._size += len(data)
        while self._size > self._most and self._pieces:
            self._size -= len(self._pieces.popleft()[1])

    def at(self, offset: int, limit: int) -> bytes | None:
        """Up to `limit` bytes from `offset` on (a whole piece more), if they are kept."""
        if not self._pieces or not self._pieces[0][0] <= offset < self.end:
            return None
        parts: list[bytes] = []
        size = 0
        for start, data in self._pieces:
            if start + len(data) > offset:
                parts.append(data[offset - start :] if start < offset else data)
                size += len(parts[-1])
                if size >= limit:
                    break
        return parts[0] if len(parts) == 1 else b"".join(parts)
