"""How long the output of each running attempt is, and its digest: hashed as the bytes pass.

Bounded: of attempts beyond the bound, and of those that began before this process did, the stored bytes are read once
more when the attempt ends.
"""

import hashlib
from collections import OrderedDict
from typing import Protocol

from cmdexec.store.contract.output import STREAMS, Output, OutputRow

READ_BYTES = 256 * 1024
"""The most that is read from the store at once."""

_EMPTY = hashlib.sha256().hexdigest()


class Hash(Protocol):
    """As `hashlib` makes them."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def copy(self) -> "Hash": ...
    def hexdigest(self) -> str: ...


class Measured:
    """The output of one attempt as stored: the bytes of each stream, and a hash for each that has any."""

    __slots__ = ("_hashes", "stderr", "stdout")

    def __init__(self) -> None:
        self.stdout = 0
        self.stderr = 0
        self._hashes: dict[str, Hash] = {}

    def end(self, stream: str) -> int:
        """How many bytes of the stream have passed."""
        return self.stdout if stream == "stdout" else self.stderr

    def passed(self, stream: str, data: bytes | memoryview) -> None:
        """These came next."""
        found = self._hashes.get(stream)
        if found is None:
            found = self._hashes[stream] = hashlib.sha256()
        found.update(data)
        if stream == "stdout":
            self.stdout += len(data)
        else:
            self.stderr += len(data)

    def digest(self, stream: str, more: bytes = b"") -> str:
        """SHA-256 (hex) of what has passed of the stream, followed by `more`."""
        found = self._hashes.get(stream)
        if found is None:
            return hashlib.sha256(more).hexdigest() if more else _EMPTY
        if more:
            found = found.copy()
            found.update(more)
        return found.hexdigest()


class Measures:
    """Those of up to `most` running attempts, the least recently used forgotten first (`jobs.StoredOutput`)."""

    def __init__(self, output: Output, most: int) -> None:
        self._output = output
        self._most = most
        self._known: OrderedDict[tuple[str, int], Measured] = OrderedDict()

    def opened(self, job_id: str, attempt: int) -> None:
        """The attempt has begun, and nothing of it is stored yet."""
        self._keep((job_id, attempt), Measured())

    def closed(self, job_id: str, attempt: int) -> None:
        """No more of it will come."""
        self._known.pop((job_id, attempt), None)

    def known(self, job_id: str, attempt: int) -> Measured | None:
        """Its measure, if nothing has to be read for it."""
        return self._known.get((job_id, attempt))

    def passed(self, row: OutputRow, stream: str, data: bytes | memoryview) -> None:
        """`data`, if any, has been stored at the end of the stream; the row is as it was after that."""
        key = (row.job_id, row.attempt)
        measured = self._known.get(key)
        if measured is None:
            return
        if measured.end(stream) + len(data) != row.end(stream):
            del self._known[key]  # some of it did not pass here: it is read when the attempt ends
            return
        if data:
            measured.passed(stream, data)
        self._known.move_to_end(key)

    def agrees(self, job_id: str, attempt: int, stdout: int, stderr: int) -> bool:
        """So many bytes are stored, as the store says: whether the measure says so too. One that does not is forgotten,
        so that it is read the next time."""
        measured = self._known.get((job_id, attempt))
        if measured is not None and (measured.stdout, measured.stderr) == (stdout, stderr):
            return True
        self._known.pop((job_id, attempt), None)
        return False

    async def measure(self, job_id: str, attempt: int) -> Measured:
        """Its measure, reading what is stored if need be: 1 GiB takes seconds."""
        known = self._known.get((job_id, attempt))
        if known is not None:
            return known
        measured = Measured()
        for stream in STREAMS:
            while data := await self._output.read(job_id, attempt, stream, measured.end(stream), READ_BYTES):
                measured.passed(stream, data)
        return measured

    def _keep(self, key: tuple[str, int], measured: Measured) -> None:
        self._known[key] = measured
        while len(self._known) > self._most:
            self._known.popitem(last=False)
