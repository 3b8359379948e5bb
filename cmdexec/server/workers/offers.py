"""Who might run a job that one worker declines, and who is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from cmdexec.clock import Clock
from cmdexec.model.job import Job
from cmdexec.model.matching import Machine, matches, needs_of
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.parts import known_as, machine_of
from cmdexec.server.workers.rows import registered
from cmdexec.store.contract.workers import Workers

_GOOD_FOR_SEC = 1.0
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Offer:
    """A worker, what a job calls it that it declined, and what it has of what jobs may need."""

    worker_id: str
    known_as: str
    machine: Machine
    called: str


class Offers:
    """The workers that may be given jobs: those connected that do not drain, and those that are away for a while, which
    are neither lost nor revoked. Who is away has to be looked up before they are asked for."""

    def __init__(self, members: Mapping[str, Member], workers: Workers, clock: Clock) -> None:
        self._members = members
        self._workers = workers
        self._clock = clock
        self._away: tuple[Offer, ...] = ()
        self._until = -inf
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Look who is away. Raises Unavailable."""
        async with self._looking:
            if self._clock.elapsed() < self._until:
                return
            self._until = self._clock.elapsed() + _GOOD_FOR_SEC  # who leaves meanwhile is looked up again
            try:
                self._away = tuple([offer async for offer in self._enrolled()])
            except BaseException:
                self.changed()
                raise

    def changed(self) -> None:
        """Somebody left: look again."""
        self._until = -inf

    def others(self, job: Job, but: str) -> bool:
        """Whether a worker other than that one might run the job."""
        needs = needs_of(job.spec)
        return any(
            offer.worker_id != but and offer.known_as not in job.avoid and matches(needs, offer.machine)
            for offer in self._all()
        )

    def away(self) -> list[Offer]:
        """Those that are not connected."""
        return [offer for offer in self._away if offer.worker_id not in self._members]

    async def _enrolled(self) -> AsyncIterator[Offer]:
        after = ""
        while page := await self._workers.all(after, _PAGE):
            for row in page:
                if row.executors and not (row.lost or row.revoked or row.given.draining):
                    yield Offer(row.worker_id, known_as(row.worker_id, registered(row)), machine_of(row), row.called)
            after = page[-1].worker_id

    def _all(self) -> Iterator[Offer]:
        for member in self._members.values():
            if member.takes:
                yield Offer(member.worker_id, member.holder.avoided_as, member.machine, member.called)
        yield from self.away()
