"""What every engine opens."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.listing import JobLists
from cmdexec.store.contract.output import StoredOutput
from cmdexec.store.contract.reads import JobReads, Reads


class Store(Protocol):
    """An open store. `reads` is for everybody, `jobs_write` for `cmdexec.server.jobs` alone."""

    @property
    def reads(self) -> Reads: ...

    @property
    def jobs_write(self) -> JobWrites: ...

    async def close(self) -> None:
        """Write what waits, and let go of it. Closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is stored of jobs, to be looked at while servers go on with it. `close` lets go of it."""

    jobs: JobReads
    lists: JobLists
    output: StoredOutput
    close: Callable[[], Awaitable[None]]
