"""A disk whose power may go: everything that SQLite writes is noted, so that what a machine would find after its power
went at any moment can be made again."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
"""Bytes that a disk writes as a whole or not at all."""


@dataclass(frozen=True, slots=True)
class Write:
    """`data` at `offset` of a file; None: the file ends there from now on."""

    path: str
    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Flush:
    path: str


@dataclass(frozen=True, slots=True)
class Delete:
    path: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the store has acknowledged."""

    words: tuple[str, ...]


Event = Write | Flush | Delete | Said


class _File(apsw.VFSFile):
    def __init__(self, events: list[Event], name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = "" if path is None else os.path.basename(os.fspath(path))
        self._events = events

    def xWrite(self, data: Any, offset: int) -> None:
        super().xWrite(data, offset)
        self._events.append(Write(self._path, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._events.append(Write(self._path, size, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._events.append(Flush(self._path))


class _Layer(apsw.VFS):
    def __init__(self, events: list[Event]) -> None:
        super().__init__("recorded", "unix", makedefault=True)
        self._events = events

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self._events, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._events.append(Delete(os.path.basename(filename)))


@contextmanager
def recorded() -> Iterator[list[Event]]:
    """What happens at the files of every store that is opened inside, in its order; more may be noted between."""
    events: list[Event] = []
    layer = _Layer(events)
    try:
        yield events
    finally:
        layer.unregister()


@dataclass
class Cutter:
    """Goes through what was recorded. `lost` counts writes that a cut took, whole or in part."""

    rng: random.Random
    safe: dict[str, bytearray] = field(default_factory=dict)
    loose: list[Write] = field(default_factory=list)
    said: list[tuple[str, ...]] = field(default_factory=list)
    lost: int = 0

    def take(self, event: Event) -> None:
        """One more has happened."""
        match event:
            case Write():
                self.loose.append(event)
            case Flush(path):
                for write in self.loose:
                    if write.path == path:
                        _put(self.safe.setdefault(path, bytearray()), write)
                self.loose = [write for write in self.loose if write.path != path]
            case Delete(path):
                self.safe.pop(path, None)
                self.loose = [write for write in self.loose if write.path != path]
            case Said(words):
                self.said.append(words)

    def cut(self, folder: Path) -> None:
        """Write into the folder what is found if the power goes now: all that was flushed, and of the rest what the
        disk happened to have written, in whatever order, the last of it perhaps in part."""
        left = {path: bytearray(data) for path, data in self.safe.items()}
        kept = self.rng.choice((0.0, 0.2, 0.5, 0.9))
        for write in self.loose:
            piece = self._survives(write, kept)
            self.lost += piece != write
            if piece is not None:
                _put(left.setdefault(piece.path, bytearray()), piece)
        for path, data in left.items():
            (folder / path).write_bytes(data)

    def _survives(self, write: Write, kept: float) -> Write | None:
        if self.rng.random() < kept:
            return write
        if write.data is None or len(write.data) <= SECTOR or self.rng.random() < 0.5:
            return None
        sectors = self.rng.randrange(1, len(write.data) // SECTOR + 1)
        return Write(write.path, write.offset, write.data[: sectors * SECTOR])


def _put(file: bytearray, write: Write) -> None:
    if write.data is None:
        del file[write.offset :]
        return
    if len(file) < write.offset:
        file.extend(bytes(write.offset - len(file)))
    file[write.offset : write.offset + len(write.data)] = write.data
