"""Output on disk: files of a few MiB, each named by its stream and the offset of its first byte.

A file holds nothing but the bytes, so that what a killed process left can be told from names and sizes alone.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cmdexec.protocol.messages import Stream
from cmdexec.system.files import CLOSED_ON_EXEC, read_at, write_at

SEGMENT_BYTES = 4 * 1024 * 1024
"""A new file is begun when the last has this many bytes."""

PROBE_BYTES = 64 * 1024
"""So much has to fit for a folder to count as one that can be written to."""

_NAME = re.compile(r"(?P<key>[0-9a-f-]{36}\.[0-9]+)\.(?P<stream>stdout|stderr)\.(?P<offset>[0-9]+)")


class Write(NamedTuple):
    """`data` belongs at `position` of the file."""

    path: Path
    position: int
    data: memoryview


@dataclass(slots=True)
class _Segment:
    path: Path
    start: int
    end: int


class Segments:
    """The files of one stream: which bytes of it are on disk. It holds no open file, and only `last` makes system
    calls."""

    __slots__ = ("_files", "_prefix")

    def __init__(self, folder: str, key: str, stream: Stream) -> None:
        self._prefix = f"{folder}/{key}.{stream}."
        self._files: list[_Segment] = []

    @property
    def start(self) -> int | None:
        """The first byte of the run of bytes that reaches `end`; None when there is nothing on disk."""
        start = None
        for segment in reversed(self._files):
            if start is not None and segment.end < start:
                break
            start = segment.start
        return start

    @property
    def end(self) -> int:
        """One past the last byte on disk, 0 when there is none."""
        return self._files[-1].end if self._files else 0

    @property
    def size(self) -> int:
        """How many bytes of disk the stream takes."""
        return sum(segment.end - segment.start for segment in self._files) if self._files else 0

    def adopt(self, path: Path, start: int, size: int) -> None:
        """A file that an earlier process left; in the order of their offsets."""
        self._files.append(_Segment(path, start, start + size))

    def plan(self, offset: int, whole: bytes) -> list[Write]:
        """The writes that bring `whole` to `offset`, which is `end` or beyond it. Nothing changes until `wrote`."""
        data = memoryview(whole)
        last = self._files[-1] if self._files else None
        writes: list[Write] = []
        if last is not None and last.end == offset and (room := SEGMENT_BYTES - (last.end - last.start)) > 0:
            writes.append(Write(last.path, last.end - last.start, data[:room]))
            offset, data = offset + room, data[room:]
        while data:
            writes.append(Write(Path(f"{self._prefix}{offset}"), 0, data[:SEGMENT_BYTES]))
            offset, data = offset + SEGMENT_BYTES, data[SEGMENT_BYTES:]
        return writes

    def wrote(self, writes: Iterable[Write]) -> None:
        """The planned writes are done."""
        for write in writes:
            if write.position == 0:
                start = int(write.path.name.rpartition(".")[2])
                self._files.append(_Segment(write.path, start, start + len(write.data)))
            else:
                self._files[-1].end += len(write.data)

    def release(self, offset: int) -> list[Path]:
        """The files that lie wholly below `offset`; they are no longer ours."""
        released = []
        while self._files and self._files[0].end <= offset:
            released.append(self._files.pop(0).path)
        return released

    def locate(self, offset: int, limit: int) -> tuple[Path, int, int] | None:
        """File, position and length of up to `limit` bytes at `offset`; None when they are not on disk."""
        for segment in self._files:
            if segment.start <= offset < segment.end:
                return segment.path, offset - segment.start, min(limit, segment.end - offset)
        return None

    def last(self, limit: int) -> bytes:
        """Blocking: the last bytes on disk, up to so many. Raises OSError."""
        last = b""
        for segment in reversed(self._files):
            if len(last) >= limit or segment.end + len(last) != self.end:
                break
            size = min(limit - len(last), segment.end - segment.start)
            last = read_one(segment.path, segment.end - segment.start - size, size) + last
        return last


def write_all(writes: Sequence[Write]) -> None:
    """Blocking: do the writes. Raises OSError; doing all of them again is fine."""
    for path, position, data in writes:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | CLOSED_ON_EXEC, 0o600)
        try:
            written = 0
            while written < len(data):
                written += write_at(fd, data[written:], position + written)
        finally:
            os.close(fd)


def read_one(path: Path, position: int, length: int) -> bytes:
    """Blocking: `length` bytes of a file, fewer at its end, none when it has been deleted."""
    try:
        fd = os.open(path, os.O_RDONLY | CLOSED_ON_EXEC)
    except FileNotFoundError:
        return b""
    try:
        return read_at(fd, length, position)
    finally:
        os.close(fd)


def remove_all(paths: Iterable[Path]) -> list[tuple[Path, OSError]]:
    """Blocking: delete files; missing ones are fine. Returns those that could not be deleted, and why."""
    kept = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            kept.append((path, fault))
    return kept


def probe(folder: str) -> OSError | None:
    """Blocking: why nothing can be written to the folder; None when something can."""
    path = Path(folder, "probe")
    try:
        write_all([Write(path, 0, memoryview(bytes(PROBE_BYTES)))])
    except OSError as fault:
        return fault
    finally:
        remove_all([path])
    return None


def left_behind(folder: Path) -> dict[str, dict[str, list[tuple[Path, int, int]]]]:
    """Blocking: key → stream → (path, offset, bytes) of the files in the folder, by offset."""
    found: dict[str, dict[str, list[tuple[Path, int, int]]]] = {}
    for entry in os.scandir(folder):
        if (name := _NAME.fullmatch(entry.name)) is not None:
            files = found.setdefault(name["key"], {}).setdefault(name["stream"], [])
            files.append((Path(entry.path), int(name["offset"]), entry.stat().st_size))
    for streams in found.values():
        for files in streams.values():
            files.sort(key=lambda file: file[1])
    return found
