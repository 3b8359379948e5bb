"""What every engine opens."""

from typing import Protocol

from cmdexec.store.contract.jobs_write import JobWrites
from cmdexec.store.contract.reads import Reads


class Store(Protocol):
    """An open store. `reads` is for everybody, `jobs_write` for `cmdexec.server.jobs` alone."""

    @property
    def reads(self) -> Reads: ...

    @property
    def jobs_write(self) -> JobWrites: ...

    async def close(self) -> None:
        """Write what waits, and let go of it. Closing twice is fine."""
        ...
