"""The end of a stream of which more was written than is kept: in a file, so that many such streams cost no memory.

The file has no name and is as long as the end may be; it is written round and round, on the event loop, as the journal
is: each time a copy into the page cache. Where there can be no file, less is kept, and the loss is named.
"""

import os

from cmdexec.system.files import CLOSED_ON_EXEC, read_at, write_at

LOOSE_BYTES = 64 * 1024
"""So much is gathered before it is written; without a file it is what is kept."""


class Tail:
    """The last `size` bytes of what is written to it. `path` is the file's name for the moment that it has one."""

    __slots__ = ("_broken", "_fd", "_loose", "_path", "_size", "_written")

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        self._size = size
        self._loose = bytearray()
        self._fd = -1
        self._written = 0
        self._broken = False

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._loose)

    def write(self, data: bytes) -> None:
        """What comes next."""
        self._loose += data[-self._size :] if self._size else b""
        if len(self._loose) > LOOSE_BYTES:
            if self._size > LOOSE_BYTES and not self._broken:
                self._store()
            if len(self._loose) > LOOSE_BYTES:
                del self._loose[:-LOOSE_BYTES]

    def _store(self) -> None:
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | CLOSED_ON_EXEC, 0o600)
                os.unlink(self._path)
            data = memoryview(self._loose)[-self._size :]
            with data:
                start = (self._written + len(self._loose) - len(data)) % self._size
                room = self._size - start
                _write(self._fd, data[:room], start)
                _write(self._fd, data[room:], 0)
        except OSError:
            self.close()
            self._broken = True
            return
        self._written += len(self._loose)
        self._loose.clear()

    def take(self) -> bytes:
        """What is kept; there is nothing left of it here."""
        loose = bytes(self._loose[-self._size :]) if self._size else b""
        size = min(self._written, self._size - len(loose))
        start = (self._written - size) % self._size if size else 0
        try:
            first = _read(self._fd, min(size, self._size - start), start) if size else b""
            stored = first + _read(self._fd, size - len(first), 0)
        except OSError:
            stored = b""
        self.close()
        return stored + loose

    def close(self) -> None:
        """Give it up. Twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._written = -1, 0


def _write(fd: int, data: memoryview, place: int) -> None:
    while data:
        written = write_at(fd, data, place)
        data, place = data[written:], place + written


def _read(fd: int, size: int, place: int) -> bytes:
    data = read_at(fd, size, place) if size else b""
    if len(data) != size:
        raise OSError("the file is shorter than what was written to it")
    return data
