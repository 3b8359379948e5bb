"""A record as it stands in the file: 140 bytes, of which the last four are the CRC-32 of all others.

A record that was torn by a crash, or never written, does not have its checksum, and is passed over.
"""

import struct
import zlib
from typing import NamedTuple

from cmdexec.model.absence import Kind, Vitals

_MAGIC = b"cmdx"
_VERSION = 1
_LINK, _STOPPING = 1, 2
_BODY = struct.Struct("<4sBBBx q qqqqq 16s8s qqqq Qqq")
_CRC = struct.Struct("<I")
_LOAD_UNIT = 1000

SIZE = _BODY.size + _CRC.size
"""Bytes of one record."""


class Numbered(NamedTuple):
    """A record, and which of the ring's it is; each new one has the next number."""

    number: int
    vitals: Vitals


def packed(number: int, vitals: Vitals) -> bytes:
    """SIZE bytes."""
    one = vitals
    flags = _LINK * one.link | _STOPPING * one.stopping
    body = _BODY.pack(
        _MAGIC, _VERSION, one.kind, flags, number,
        one.at, one.elapsed, one.awake, one.heard_at, one.heard, one.boot, one.life,
        one.memory_used, one.memory_total, round(one.load * _LOAD_UNIT), one.disk_free,
        one.group, one.group_kills, one.machine_kills,
    )  # fmt: skip
    return body + _CRC.pack(zlib.crc32(body))


def unpacked(data: bytes | memoryview) -> Numbered | None:
    """The record in these SIZE bytes; None where they hold none, or one of another version."""
    body = bytes(data[: _BODY.size])
    if len(data) != SIZE or _CRC.unpack(data[_BODY.size :]) != (zlib.crc32(body),):
        return None
    (
        magic, version, kind, flags, number, at, elapsed, awake, heard_at, heard, boot, life,
        used, total, load, free, group, group_kills, machine_kills,
    ) = _BODY.unpack(body)  # fmt: skip
    if (magic, version) != (_MAGIC, _VERSION) or kind not in list(Kind):
        return None
    return Numbered(
        number,
        Vitals(
            Kind(kind), at, elapsed, awake, boot, life, bool(flags & _LINK), bool(flags & _STOPPING), heard_at, heard,
            used, total, load / _LOAD_UNIT, free, group, group_kills, machine_kills,
        ),
    )  # fmt: skip
