"""How much of an attempt's output is stored, and its last bytes: for attempts that outlive a process of the worker.

What the server has acknowledged is kept nowhere here. The next process needs the end of it, to find in what the job
wrote meanwhile where that goes on. A file an attempt, written on the event loop, as the journal is: each time a copy
into the page cache.
"""

import os
import struct
import zlib

from cmdexec.protocol.messages import Stream
from cmdexec.system.files import CLOSED_ON_EXEC, read_at, write_at

MARK_BYTES = 20 * 1024
"""Of each stream: more than the 16 KiB that container engines keep back of a line."""
SUFFIX = ".mark"
_HEAD = struct.Struct(">IQI")
_SLOT_BYTES = _HEAD.size + MARK_BYTES
_SLOTS: dict[Stream, int] = {"stdout": 0, "stderr": 2}
_NOTHING = (0, b"")


class Mark:
    """Of each stream two states, the newest and the one before: whichever a kill leaves unfinished, one is good."""

    __slots__ = ("_fd", "_known", "_turn", "path")

    def __init__(self, folder: str, key: str) -> None:
        self.path = f"{folder}/{key}{SUFFIX}"
        self._fd = -1
        self._turn: dict[Stream, int] = {"stdout": 0, "stderr": 0}
        self._known: dict[Stream, tuple[int, bytes]] = {}

    def stored(self, stream: Stream) -> tuple[int, bytes]:
        """How much of it is stored, and the last of that."""
        return self._known.get(stream, _NOTHING)

    def keep(self, stream: Stream, start: int, data: bytes) -> None:
        """What lies at `start` is stored. Where it cannot be written, the mark before it counts."""
        end, last = self.stored(stream)
        if start + len(data) <= end or not data:
            return
        last = (last + data[end - start :] if start <= end else data)[-MARK_BYTES:]
        end = start + len(data)
        self._known[stream] = end, last
        body = end.to_bytes(8, "big") + len(last).to_bytes(4, "big") + last
        slot = _SLOTS[stream] + self._turn[stream]
        try:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | CLOSED_ON_EXEC, 0o600)
            write_at(self._fd, memoryview(zlib.crc32(body).to_bytes(4, "big") + body), slot * _SLOT_BYTES)
        except OSError:
            return
        self._turn[stream] ^= 1

    def load(self) -> None:
        """Blocking: what an earlier process kept. Raises OSError."""
        try:
            self._fd = os.open(self.path, os.O_RDWR | CLOSED_ON_EXEC)
        except FileNotFoundError:
            return
        for stream, first in _SLOTS.items():
            found = [_parsed(read_at(self._fd, _SLOT_BYTES, (first + turn) * _SLOT_BYTES)) for turn in (0, 1)]
            self._known[stream] = max(found)
            self._turn[stream] = 1 if found[0] > found[1] else 0

    def close(self) -> None:
        """Write no more of it. Twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _parsed(slot: bytes) -> tuple[int, bytes]:
    if len(slot) < _HEAD.size:
        return _NOTHING
    check, end, size = _HEAD.unpack_from(slot)
    body = slot[4 : _HEAD.size + size]
    if size > MARK_BYTES or size > end or zlib.crc32(body) != check:
        return _NOTHING
    return end, body[_HEAD.size - 4 :]
