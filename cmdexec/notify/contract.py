"""Hints: what may be said, and how it is said and heard.

A listener is called on the event loop, must return at once and must not raise; what it cannot take now it drops,
since the store has the truth. What another server says is heard a moment later, in the order in which that server said
it, and holds neither jobs nor output: whoever hears it looks them up.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from cmdexec.model.job import Job
from cmdexec.protocol.messages import Stats


class Hint(msgspec.Struct, frozen=True, tag=True):
    """The base of all hints."""


class JobsWaiting(Hint, frozen=True):
    """There may be something to claim in these classes; empty: in any, and nobody may have told of it.
    `list_id`: of a list of new jobs, which may have been told of as coming."""

    klasses: tuple[str, ...] = ()
    list_id: str = ""


class JobsComing(Hint, frozen=True):
    """New jobs of these classes are about to be stored, or refused: a claim that is asked for from now on comes after
    that. What is read may not show them yet. `list_id` is told again when they are stored. Heard by the server alone
    that says it: of another's claims it is not so."""

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
    `cancel` (end these, the cancel was asked). Not `sure`: another server says so, and the store is asked before."""

    worker_id: str
    kind: str
    attempts: tuple[tuple[str, int], ...]
    sure: bool = True


class Revoked(Hint, frozen=True):
    """A login session (`jti`), a user or a worker may do nothing any more; of a user all sessions but `spares`, if one
    is named. Not `sure`: another server says so."""

    jti: str | None = None
    user_id: str | None = None
    worker_id: str | None = None
    spares: str | None = None
    sure: bool = True


class WorkerChanged(Hint, frozen=True):
    """People want something else of the worker: its row says what."""

    worker_id: str


class WorkerJoined(Hint, frozen=True):
    """The worker's process has taken its place at that server: a connection of it elsewhere is over."""

    worker_id: str
    server: str


class There(msgspec.Struct, frozen=True):
    """A worker as the server has it to which it is connected.

    takes       whether it runs jobs, and may be given more
    able        whether it may be given some now
    ready       it has said what it holds
    draining    it takes no jobs, as it says or as somebody wants
    open_slots  slots for which it may be given something now
    transport   None: not known
    free        cores and MB that are free for more jobs; None: without bound
    suspect     it begins nothing that it is given
    """

    worker_id: str
    slots: int
    free_slots: int
    open_slots: int
    takes: bool
    able: bool
    ready: bool
    draining: bool = False
    transport: Literal["socket", "polling"] | None = None
    free: tuple[float | None, float | None] = (None, None)
    stats: Stats | None = None
    suspect: bool = False


class WorkersThere(Hint, frozen=True):
    """Workers that are connected to that server, and those that are so no more. What is said of one is good for a
    while: it is said again now and then."""

    server: str
    workers: tuple[There, ...] = ()
    gone: tuple[str, ...] = ()


H = TypeVar("H", bound=Hint)


class Notify(Protocol):
    """Publish and listen."""

    @property
    def reaches_others(self) -> bool:
        """Whether other servers hear what is said, as far as is known."""
        ...

    def publish(self, hint: Hint) -> None:
        """Say it; returns at once."""
        ...

    def listen(self, kind: type[H], listener: Callable[[H], None]) -> Callable[[], None]:
        """Call `listener` for each hint of that kind; the returned function ends it."""
        ...

    async def close(self) -> None: ...
