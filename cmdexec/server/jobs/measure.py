"""What this package asks of stored output, whoever keeps it: how long each stream is, and its digest."""

from typing import Protocol


class Measure(Protocol):
    """The output of one attempt as it is stored."""

    @property
    def stdout(self) -> int:
        """Stored bytes."""
        ...

    @property
    def stderr(self) -> int:
        """Stored bytes."""
        ...

    def digest(self, stream: str, more: bytes = b"") -> str:
        """SHA-256 (hex) of what is stored of the stream, followed by `more`."""
        ...


class StoredOutput(Protocol):
    """Where measures come from. Output is hashed as it passes; only what did not pass here is read again."""

    def opened(self, job_id: str, attempt: int) -> None:
        """The attempt has begun, and nothing of it is stored yet."""
        ...

    def closed(self, job_id: str, attempt: int) -> None:
        """No more of it will come."""
        ...

    def known(self, job_id: str, attempt: int) -> Measure | None:
        """Its measure, if nothing has to be read for it."""
        ...

    def agrees(self, job_id: str, attempt: int, stdout: int, stderr: int) -> bool:
        """So many bytes are stored, as the store says: whether the measure says so too. One that does not is forgotten,
        so that it is read the next time."""
        ...

    async def measure(self, job_id: str, attempt: int) -> Measure:
        """Its measure, reading what is stored if need be: 1 GiB takes seconds."""
        ...
