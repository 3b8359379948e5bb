"""The journal: an append-only file of checksummed records.

    u32 length · u32 CRC-32 of the payload · payload: MessagePack of [boot id, record]     (big-endian)

It is written before the effect of a record and is not flushed to disk: it covers the death of the process. Each record
carries the boot id, so that the next process knows what the death of the machine may have taken (promise 3). Appending
is one write to the page cache, made on the event loop: a few microseconds, where a thread would cost more than the rest
of a job's journey.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from cmdexec.protocol.messages import Assignment, Done
from cmdexec.system.files import CLOSED_ON_EXEC, write_at
from cmdexec.worker.spool.records import (
    Ended,
    Forgotten,
    Received,
    Record,
    Released,
    SessionBegins,
    Spawning,
    attempt_of,
)

_HEAD = struct.Struct(">II")
RECORD_MAX = 128 * 1024 * 1024
"""A length above this is damage, not a record."""

COMPACT_FROM = 4 * 1024 * 1024
"""A journal smaller than this, in bytes, is never rewritten."""


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    boot: bytes
    record: Record


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Entry)


@dataclass(slots=True)
class Remembered:
    """What the journal knows of one attempt. `same_boot`: all that it says was said since the machine started."""

    assignment: Assignment | None = None
    spawned: bool = False
    done: Done | None = None
    released: Released | None = None
    same_boot: bool = True


@dataclass(slots=True)
class Replay:
    """What an earlier process left. `torn`: the end of the file cannot be read, so that what is missing from it proves
    nothing."""

    session: str | None = None
    attempts: dict[str, Remembered] = field(default_factory=dict)
    torn: bool = False


class _Read(NamedTuple):
    raw: bytes
    entry: _Entry


def _scan(data: bytes) -> Iterator[_Read | None]:
    """The records of a file; None at last when what follows is no record."""
    place, size = 0, len(data)
    while place < size:
        if place + _HEAD.size > size:
            yield None
            return
        length, check = _HEAD.unpack_from(data, place)
        end = place + _HEAD.size + length
        payload = data[place + _HEAD.size : end]
        if not 0 < length <= RECORD_MAX or end > size or zlib.crc32(payload) != check:
            yield None
            return
        try:
            yield _Read(data[place:end], _decoder.decode(payload))
        except msgspec.MsgspecError:  # written by a version that knew more
            yield None
            return
        place = end


class Journal:
    """One open journal. Every method but `open` and `close` is one system call or none."""

    def __init__(self, path: Path, boot: bytes) -> None:
        self._path = path
        self._boot = boot
        self._fd = -1
        self._live: dict[str, list[bytes]] = {}
        self._session = b""
        self._live_bytes = 0
        self.size = 0

    @classmethod
    def open(cls, path: Path, boot: bytes) -> tuple["Journal", Replay]:
        """The journal, and what it held; made when missing, mode 0600. Raises OSError."""
        journal, replay = cls(path, boot), Replay()
        data = path.read_bytes() if path.exists() else b""
        for read in _scan(data):
            if read is None:
                replay.torn = True
                break
            journal._replay(read, replay)
        if replay.session is None and replay.attempts:
            replay.attempts.clear()  # attempts of an unknown session are nobody's
            journal._live.clear()
            journal._live_bytes = 0
        journal._rewrite()
        return journal, replay

    def _replay(self, read: _Read, replay: Replay) -> None:
        record = read.entry.record
        if isinstance(record, SessionBegins):
            replay.session = record.session
            self._session = read.raw
            return
        key = attempt_of(record) or ""
        self._keep(key, record, read.raw)
        if isinstance(record, Forgotten):
            replay.attempts.pop(key, None)
            return
        known = replay.attempts.setdefault(key, Remembered())
        known.same_boot = known.same_boot and read.entry.boot == self._boot
        match record:
            case Received():
                known.assignment = record.assignment
            case Spawning():
                known.spawned = True
            case Ended():
                known.done = record.done
            case Released():
                known.released = record

    def _keep(self, key: str, record: Record, raw: bytes) -> None:
        """Remember which bytes are still needed: of an attempt that ended only how, of a forgotten one nothing."""
        if isinstance(record, Forgotten | Ended | Released):
            self._live_bytes -= sum(map(len, self._live.pop(key, ())))
        if not isinstance(record, Forgotten):
            self._live.setdefault(key, []).append(raw)
            self._live_bytes += len(raw)

    def append(self, records: Sequence[Record]) -> None:
        """Write `records` with one call. Raises OSError, and then none of them is written."""
        raws = [self._framed(record) for record in records]
        if self.size > COMPACT_FROM and self._live_bytes * 2 < self.size:
            self._rewrite()
        data = b"".join(raws)
        try:
            self._write(data)
        except OSError:
            self._rewrite()  # what is dead makes room for it
            self._write(data)
        for record, raw in zip(records, raws, strict=True):
            if (key := attempt_of(record)) is not None:
                self._keep(key, record, raw)
            else:
                self._session = raw

    def _framed(self, record: Record) -> bytes:
        payload = _encoder.encode(_Entry(self._boot, record))
        return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload

    def _write(self, data: bytes) -> None:
        """All of `data` at the end, or nothing: a part would be a torn record in the middle once more is written."""
        written = 0
        try:
            while written < len(data):
                written += write_at(self._fd, data[written:], self.size + written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    def _rewrite(self) -> None:
        """A file of the live records alone, under the same name. On failure the old one stays and is gone on with."""
        fresh = self._path.with_suffix(".new")
        data = b"".join([self._session, *(raw for raws in self._live.values() for raw in raws)])
        before, size, fd = self._fd, self.size, -1
        try:
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | CLOSED_ON_EXEC, 0o600)
            self._fd, self.size = fd, 0
            self._write(data)
            fresh.replace(self._path)
        except OSError:
            self._fd, self.size = before, size
            if fd >= 0:
                os.close(fd)
            if before < 0:
                raise
            return
        if before >= 0:
            os.close(before)

    def close(self) -> None:
        """Twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
