"""How what is watched is shown."""

from collections.abc import Sequence
from typing import Protocol

from cmdexec.model.job import Job
from cmdexec.protocol.listing import JobRow
from cmdexec.protocol.requests import JobView, WorkerView


class Shows(Protocol):
    """Makes of what is stored what people are shown."""

    def at_once(self, job: Job) -> JobView | None:
        """The job, if nothing has to be looked up for it."""
        ...

    async def jobs(self, jobs: Sequence[Job]) -> Sequence[JobView]:
        """The jobs, with what has to be looked up."""
        ...

    def row(self, job: Job) -> JobRow:
        """The job in a list."""
        ...

    async def newest(self, limit: int) -> Sequence[Job]:
        """The newest jobs, the newest first."""
        ...

    async def workers(self) -> Sequence[WorkerView]:
        """All workers."""
        ...


class Shown:
    """One state of a job, shown once for all who watch it."""

    __slots__ = ("_row", "_view", "_viewed", "job", "shows")

    def __init__(self, job: Job, shows: Shows) -> None:
        self.job = job
        self.shows = shows
        self._viewed = False
        self._view: JobView | None = None
        self._row: JobRow | None = None

    @property
    def view(self) -> JobView | None:
        """The whole job, if nothing has to be looked up for it."""
        if not self._viewed:
            self._viewed = True
            self._view = self.shows.at_once(self.job)
        return self._view

    @property
    def row(self) -> JobRow:
        """The job in a list."""
        if self._row is None:
            self._row = self.shows.row(self.job)
        return self._row
