"""The disk under the store, watched and made to fail: a layer between SQLite and the system's files."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import apsw


@dataclass
class Disk:
    """What has happened at the files, by kind: `file`, `wal` or `other`.

    unflushed   kinds with writes that no flush has followed
    full        writes are refused as on a full disk
    no_flush    flushes fail as on a broken disk
    errno       writes fail, and the system says this of why
    """

    writes: Counter[str] = field(default_factory=Counter)
    flushes: Counter[str] = field(default_factory=Counter)
    unflushed: set[str] = field(default_factory=set)
    full: bool = False
    no_flush: bool = False
    errno: int = 0


def _kind(name: Any) -> str:
    path = os.fspath(name.filename() if isinstance(name, apsw.URIFilename) else name or "")
    return "wal" if path.endswith("-wal") else "file" if path.endswith(".sqlite") else "other"


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._kind = _kind(name)

    def xWrite(self, data: Any, offset: int) -> None:
        if self._disk.full:
            raise apsw.FullError("no room")
        if self._disk.errno:
            raise apsw.IOError("the write failed")
        super().xWrite(data, offset)
        self._disk.writes[self._kind] += 1
        self._disk.unflushed.add(self._kind)

    def xSync(self, flags: int) -> None:
        if self._disk.no_flush:
            raise apsw.IOError("the flush failed")
        super().xSync(flags)
        self._disk.flushes[self._kind] += 1
        self._disk.unflushed.discard(self._kind)


class _Layer(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__("watched", "unix", makedefault=True)
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self._disk, name, flags)

    def xGetLastError(self) -> tuple[int, str]:
        return self._disk.errno, ""


@contextmanager
def watched() -> Iterator[Disk]:
    """Every store that is opened inside is on the watched disk. SQLite writes and flushes by `xWrite` and `xSync` alone
    (its shared memory needs neither); with `synchronous` off it calls no `xSync`."""
    disk = Disk()
    layer = _Layer(disk)
    try:
        yield disk
    finally:
        layer.unregister()
