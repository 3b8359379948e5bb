"""The output of attempts: bytes, in order, each once."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

STREAMS = ("stdout", "stderr")


class OutputRow(msgspec.Struct, frozen=True):
    """The row of (job, attempt): who may append, whether still, and how far each stream has come (bytes)."""

    job_id: str
    attempt: int
    session: str
    open: bool
    stdout: int = 0
    stderr: int = 0

    def end(self, stream: str) -> int:
        """How many bytes of the stream are stored."""
        return self.stdout if stream == "stdout" else self.stderr


class Append(msgspec.Struct, frozen=True):
    """Bytes that belong at `offset` of one stream. `limit`: all that may be stored for both streams together."""

    job_id: str
    attempt: int
    session: str
    stream: str
    offset: int
    data: bytes
    limit: int


class Appended(msgspec.Struct, frozen=True):
    """What became of it, and the row after it.

    stored   how many of the bytes were new: 0 for a repeat; what overlaps stored bytes is dropped
    refused  None, or: `no_row`, `closed`, `foreign` (another session), `gap` (begins past the end), `limit`
    """

    row: OutputRow | None
    stored: int = 0
    refused: str | None = None


class StoredOutput(Protocol):
    """Output, to be read."""

    async def rows(self, keys: Sequence[tuple[str, int]]) -> list[OutputRow | None]:
        """The rows of (job, attempt), in the order asked."""
        ...

    async def read(self, job_id: str, attempt: int, stream: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes from `offset`; fewer when a piece ends there, none only at the stored end."""
        ...


class Output(StoredOutput, Protocol):
    """Stored output. A row is made, opened again and closed by the change of its job (`JobWrite.opens`, `.closes`)."""

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        """Store each, conditional on its row alone, in one commit where the engine can."""
        ...
