"""The client: every operation that people have, one method each, and waiting for jobs to end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Self

from cmdexec.client.fleet import FleetCalls
from cmdexec.client.follow import Followed, Start, follow
from cmdexec.client.jobs import JobCalls
from cmdexec.client.keys import checked_key
from cmdexec.client.patience import Patience
from cmdexec.client.people import PeopleCalls
from cmdexec.client.waiting import Waiting
from cmdexec.errors import Unavailable
from cmdexec.protocol.requests import JobView, NewJob


class Client(JobCalls, FleetCalls, PeopleCalls):
    """Everything that people and programs can ask of a server, as coroutines of one event loop."""

    _waiting: Waiting | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._waiting = await Waiting(self).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._waiting is not None:
                await self._waiting.__aexit__()
        finally:
            self._waiting = None
            await super().__aexit__()

    async def wait(self, job_id: str) -> JobView:
        """The job once it has ended: completed, failed or cancelled.

        Any number may wait at once: they are told over one socket, and where none can be had the client looks now and
        then. A server that is away is waited for, up to `patience_sec`. Raises Refused("not_found").
        """
        if self._waiting is None:
            raise RuntimeError("A Client is used inside `async with`.")
        return await self._waiting.ended(job_id)

    async def wait_all(self, job_ids: Sequence[str]) -> tuple[JobView, ...]:
        """The same of several, in their order, when the last of them has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(self.wait(job_id)) for job_id in job_ids]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return tuple(wait.result() for wait in waits)

    async def submit(self, job: NewJob, *, key: str | None = None, patience: Patience | None = None) -> JobView:
        """As `JobCalls.submit`: over the socket by which the ends of jobs are told, where one is open. A call that is
        cancelled may have submitted its job all the same."""
        name, patience = checked_key(key) or self.runtime.ids.new(), patience or self.patience()
        submitted = None
        try:
            submitted = None if self._waiting is None else await self._waiting.submit(job, name)
        except Unavailable as wrong:
            await patience.wait(wrong)
        return submitted or await super().submit(job, key=name, patience=patience)

    def follow(self, job_id: str, start: Start | None = None) -> AsyncGenerator[Followed, None]:
        """What the job writes, as it writes it, then its end: see `cmdexec.client.follow`."""
        return follow(self, job_id, start)
