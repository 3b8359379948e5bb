"""A ring of records in one file, of a size that never changes: the newest takes the place of the oldest.

All of it is written when it is made, so that a disk that fills up later takes none of its room. Nothing is flushed: it
covers the death of the process (promise 3), and what the death of the machine may take of its end, the next start knows
by the boot id. Every call blocks.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from cmdexec.model.absence import Vitals
from cmdexec.system.files import CLOSED_ON_EXEC, NO_LINKS, read_at, write_at
from cmdexec.worker.blackbox.records import SIZE, Numbered, packed, unpacked

_AT_ONCE = 64 * 1024
_MOST = 160 << 20
"""More than any ring has; what is longer is another's file."""


class Ring:
    """`open` first. `records`: how many it holds."""

    def __init__(self, path: Path, records: int) -> None:
        self._path = path
        self._records = records
        self._next = 1
        self._file = -1

    def open(self) -> list[Vitals]:
        """What it holds, the oldest first; none where it is new, or nothing of it can be read. Raises OSError when it
        cannot be written; then it may be opened again."""
        self.close()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | NO_LINKS | CLOSED_ON_EXEC, 0o600)
        try:
            data = _all_of(descriptor)
            pieces = (data[place : place + SIZE] for place in range(0, len(data), SIZE))
            found = [one for one in map(unpacked, pieces) if one is not None]
            found.sort(key=lambda one: one.number)
            if len(data) != self._records * SIZE:
                found = found[-self._records :]
                self._make(descriptor, found)
        except BaseException:
            os.close(descriptor)
            raise
        self._file = descriptor
        self._next = found[-1].number + 1 if found else 1
        return [one.vitals for one in found]

    def _make(self, descriptor: int, kept: Sequence[Numbered]) -> None:
        """It is new, or was of another size: write all of it, each record in its place."""
        image = bytearray(self._records * SIZE)
        for one in kept:
            place = self._place(one.number)
            image[place : place + SIZE] = packed(*one)
        os.ftruncate(descriptor, len(image))
        try:
            _write(descriptor, bytes(image), 0)
        except OSError:
            os.ftruncate(descriptor, 0)  # so that the next try writes all of it, and has its room then
            raise

    def append(self, vitals: Vitals) -> None:
        """Raises OSError, and then it is not there."""
        if self._file < 0:
            self.open()
        _write(self._file, packed(self._next, vitals), self._place(self._next))
        self._next += 1

    def close(self) -> None:
        """It may be opened again."""
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _place(self, number: int) -> int:
        return number % self._records * SIZE


def _all_of(descriptor: int) -> bytes:
    pieces: list[bytes] = []
    place = 0
    while place < _MOST and (piece := read_at(descriptor, _AT_ONCE, place)):
        pieces.append(piece)
        place += len(piece)
    return b"".join(pieces)


def _write(descriptor: int, data: bytes, place: int) -> None:
    done = 0
    while done < len(data):
        done += write_at(descriptor, data[done:], place + done)
