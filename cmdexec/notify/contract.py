"""Hints: what may be said, and how it is said and heard.

A listener is called on the event loop, must return at once and must not raise; what it cannot take now it drops,
since the store has the truth.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from cmdexec.model.job import Job


class Hint(msgspec.Struct, frozen=True, tag=True):
    """The base of all hints."""


class JobsWaiting(Hint, frozen=True):
    """There may be something to claim in these classes; empty: in any. `list_id`: of a list of new jobs, which may have
    been told of as coming."""

    klasses: tuple[str, ...] = ()
    list_id: str = ""


class JobsComing(Hint, frozen=True):
    """New jobs of these classes are about to be stored, or refused: a claim that is asked for from now on comes after
    that. What is read may not show them yet. `list_id` is told again when they are stored."""

    klasses: tuple[str, ...]
    list_id: str


class JobsChanged(Hint, frozen=True):
    """These jobs have changed. `jobs`: as they stand now, where the hint is heard in the process that changed them; who
    hears it elsewhere looks them up."""

    job_ids: tuple[str, ...]
    jobs: Sequence[Job] = ()


class OutputGrew(Hint, frozen=True):
    """Output of an attempt is stored up to `end` bytes of the stream. `data`, if any, is what ends there."""

    job_id: str
    attempt: int
    stream: str
    end: int
    data: bytes = b""


class TellWorker(Hint, frozen=True):
    """Something a worker should be told now, wherever it is connected. Kinds: `stop` (drop or end these attempts),
    `cancel` (end these, the cancel was asked). `grace_sec` as the job has it."""

    worker_id: str
    kind: str
    attempts: tuple[tuple[str, int], ...]


class Revoked(Hint, frozen=True):
    """A login session (`jti`), a user or a worker may do nothing any more; of a user all sessions but `spares`, if one
    is named."""

    jti: str | None = None
    user_id: str | None = None
    worker_id: str | None = None
    spares: str | None = None


H = TypeVar("H", bound=Hint)


class Notify(Protocol):
    """Publish and listen."""

    def publish(self, hint: Hint) -> None:
        """Say it; returns at once."""
        ...

    def listen(self, kind: type[H], listener: Callable[[H], None]) -> Callable[[], None]:
        """Call `listener` for each hint of that kind; the returned function ends it."""
        ...

    async def close(self) -> None: ...
