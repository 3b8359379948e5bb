"""Reading jobs, and everything else that is kept: what any part of a server may be given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from cmdexec.clock import Millis
from cmdexec.model.job import Job, Status
from cmdexec.store.contract.classes import Classes
from cmdexec.store.contract.identity import Credentials, JoinTokens, Sessions, Users
from cmdexec.store.contract.listing import JobLists
from cmdexec.store.contract.output import Output
from cmdexec.store.contract.workers import Workers


class Overdue(msgspec.Struct, frozen=True):
    """Jobs whose time has come, each list bounded by the `limit` of the question."""

    due: tuple[Job, ...]
    expired: tuple[Job, ...]
    lost: tuple[Job, ...]


class JobReads(Protocol):
    """Reading jobs. What is returned may be stale by the time it is looked at: writes are conditional."""

    async def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs in the order asked, None for each that is not there."""
        ...

    async def by_submit_keys(self, keys: Sequence[str]) -> list[Job]:
        """The jobs with these submit keys, in the order asked, and of each in which they were added."""
        ...

    async def held_by(self, worker_id: str, after: str = "", limit: int = 1000) -> list[Job]:
        """Jobs that are assigned to, running on or unknown with that worker, by id, beginning after `after`."""
        ...

    async def waiting_of(self, owner: str) -> int:
        """How many of the owner's jobs are scheduled or queued; counting may stop at a million."""
        ...

    async def assigned_elsewhere(self, worker_id: str, before: int, limit: int) -> list[Job]:
        """Jobs of other workers that were assigned by `before` (milliseconds), the one assigned longest ago first."""
        ...

    async def overdue(self, now: int, lost_before: int, limit: int) -> Overdue:
        """What the clock brings: scheduled jobs that are due, waiting ones past their `ttl_sec`, and jobs that became
        unknown before `lost_before`."""
        ...

    async def counts(self) -> dict[Status, int]:
        """How many jobs there are of each status."""
        ...


class Room(msgspec.Struct, frozen=True):
    """How much room the store has: bytes free where it writes, None where it cannot tell."""

    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class Reads:
    """One store, without the right to change jobs."""

    jobs: JobReads
    classes: Classes
    lists: JobLists
    output: Output
    workers: Workers
    users: Users
    sessions: Sessions
    credentials: Credentials
    join_tokens: JoinTokens
    health: "Health"


class Health(Protocol):
    """Whether the store does its work."""

    async def commit(self) -> Millis | None:
        """Commit something of no meaning: raises Unavailable when the store cannot. Returns when that was by a clock
        that all servers share; None from a store that has none of its own."""
        ...

    async def room(self) -> Room: ...

    def last_write(self) -> float | None:
        """When (`Clock.elapsed`) a write last succeeded; None before the first."""
        ...
