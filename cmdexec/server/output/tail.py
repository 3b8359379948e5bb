"""The newest output of a followed stream, kept in memory."""

from bisect import bisect_right

_JOIN_BYTES = 16 * 1024


class Tail:
    """The last `most` bytes of one stream, without gaps. `end`: how far the stream is known to be stored.

    Small pieces that follow each other are joined into blocks: two neighbours are always larger than `_join` together.
    So what a block costs beside its bytes is bounded too, and a look touches few of them, however the job writes.
    """

    __slots__ = ("_blocks", "_join", "_most", "_size", "_starts", "end")

    def __init__(self, most: int) -> None:
        self._most = most
        self._join = min(_JOIN_BYTES, most // 8)
        self._starts: list[int] = []
        self._blocks: list[bytes | bytearray] = []
        self._size = 0
        self.end = 0

    def grew(self, end: int, data: bytes) -> None:
        """The stream is stored up to `end`, and `data` is what ends there (or is not told)."""
        if end <= self.end:
            return
        start = end - len(data)
        if not data or start > self.end:
            self._drop(len(self._blocks))
        elif start < self.end and self._blocks:
            data = data[self.end - start :]
            start = self.end
        self.end = end
        if data:
            self._add(start, data)

    def at(self, offset: int, limit: int) -> bytes | None:
        """Up to `limit` bytes from `offset` on (a whole block more), if they are kept."""
        if not self._blocks or not self._starts[0] <= offset < self.end:
            return None
        first = bisect_right(self._starts, offset) - 1
        begun = offset - self._starts[first]
        parts = [self._blocks[first][begun:] if begun else self._blocks[first]]
        size = len(parts[0])
        for block in self._blocks[first + 1 :]:
            if size >= limit:
                break
            parts.append(block)
            size += len(block)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _add(self, start: int, data: bytes) -> None:
        self._size += len(data)
        if self._blocks and len(self._blocks[-1]) + len(data) <= self._join:
            last = self._blocks[-1]
            if isinstance(last, bytes):
                last = self._blocks[-1] = bytearray(last)
            last += data
        else:
            self._starts.append(start)
            self._blocks.append(data)
        count, left = 0, self._size
        while left > self._most:
            left -= len(self._blocks[count])
            count += 1
        self._drop(count)

    def _drop(self, count: int) -> None:
        """The oldest so many blocks."""
        self._size -= sum(map(len, self._blocks[:count]))
        del self._starts[:count]
        del self._blocks[:count]
