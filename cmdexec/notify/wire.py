"""Hints on their way to other servers: what of them crosses, and as which bytes.

A message is MessagePack: version, the server that says it, its hints. Neither jobs nor output cross, and no list is
longer than a bound: what is cut is looked up by whoever hears of it.
"""

from collections.abc import Sequence
from itertools import islice

import msgspec

from cmdexec.notify.contract import (
    Hint,
    JobsChanged,
    JobsWaiting,
    OutputGrew,
    Revoked,
    TellWorker,
    WorkerChanged,
    WorkerJoined,
    WorkersThere,
)

VERSION = 1

IDS_MAX = 1000
"""Jobs that one hint names; more are named by several."""

KLASSES_MAX = 100
"""Classes that one hint names; if there are more, it is any."""

_HINT_BYTES = 64
_ID_BYTES = 48
_WORKER_BYTES = 160

Crossing = JobsWaiting | JobsChanged | OutputGrew | TellWorker | Revoked | WorkerChanged | WorkerJoined | WorkersThere
_Message = tuple[int, str, list[Crossing]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Message).decode


def crossing(hint: Hint) -> list[Crossing]:
    """What others are told instead of it; nothing of what concerns this process alone."""
    match hint:
        case OutputGrew():
            return [msgspec.structs.replace(hint, data=b"")]
        case JobsChanged(job_ids=ids):
            return [JobsChanged(ids[first : first + IDS_MAX]) for first in range(0, len(ids), IDS_MAX)]
        case JobsWaiting(klasses=klasses):
            return [JobsWaiting(klasses if len(klasses) <= KLASSES_MAX else ())]
        case TellWorker() | Revoked():
            return [msgspec.structs.replace(hint, sure=False)]
        case WorkerChanged() | WorkerJoined() | WorkersThere():
            return [hint]
        case _:
            return []


def weight(hint: Crossing) -> int:
    """Bytes that it takes, about, in memory and on the way."""
    match hint:
        case JobsChanged(job_ids=names) | JobsWaiting(klasses=names) | TellWorker(attempts=names):
            return _HINT_BYTES + _ID_BYTES * len(names)
        case WorkersThere():
            return _HINT_BYTES + _WORKER_BYTES * len(hint.workers) + _ID_BYTES * len(hint.gone)
        case _:
            return _HINT_BYTES + _ID_BYTES


def encode(server: str, hints: Sequence[Crossing]) -> bytes:
    """One message."""
    return _encode((VERSION, server, hints))


def decode(data: bytes) -> tuple[str, list[Crossing]] | None:
    """Who says what; None for what this version cannot read."""
    try:
        version, server, hints = _decode(data)
    except msgspec.MsgspecError:
        return None
    return (server, hints) if version == VERSION else None


class Waiting:
    """Hints that wait to be sent, in order, and no more than `most` bytes of them: the oldest are dropped. Of output
    that grew only the newest end waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._hints: dict[object, Crossing] = {}
        self._size = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._hints)

    def add(self, hint: Crossing) -> None:
        """It is to be sent."""
        key: object = (hint.job_id, hint.attempt, hint.stream) if isinstance(hint, OutputGrew) else object()
        if key not in self._hints:
            self._size += weight(hint)
        self._hints[key] = hint
        while self._size > self._most:
            self._size -= weight(self._hints.pop(next(iter(self._hints))))
            self.dropped += 1

    def take(self, most: int) -> list[Crossing]:
        """The oldest of them, up to `most` bytes, at least one; they wait no more."""
        size = count = 0
        for hint in self._hints.values():
            size += weight(hint)
            if count and size > most:
                size -= weight(hint)
                break
            count += 1
        taken = [self._hints.pop(key) for key in list(islice(self._hints, count))]
        self._size -= size
        return taken

    def clear(self) -> None:
        """Nobody would hear them."""
        self._hints.clear()
        self._size = 0
