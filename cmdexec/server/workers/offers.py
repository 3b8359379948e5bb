"""Who might run a job that one worker declines, and what the largest of them offers."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from cmdexec.clock import Clock
from cmdexec.model.job import Job
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.parts import Capacity, Part, known_as, part_of
from cmdexec.server.workers.rows import registered
from cmdexec.store.contract.workers import Workers

_GOOD_FOR_SEC = 1.0
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Offer:
    """A worker, what a job calls it that it declined, and what it lets its jobs use."""

    worker_id: str
    known_as: str
    capacity: Capacity


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
        part = part_of(job.spec)
        return any(
            offer.worker_id != but and offer.known_as not in job.avoid and offer.capacity.refusal(part) is None
            for offer in self._all()
        )

    def lacking(self, job: Job) -> str | None:
        """What the job asks for that no worker offers; None: that is not why nobody runs it."""
        part = part_of(job.spec)
        return None if part is None else lacking(part, [offer.capacity for offer in self._all()])

    async def _enrolled(self) -> AsyncIterator[Offer]:
        after = ""
        while page := await self._workers.all(after, _PAGE):
            for row in page:
                if row.executors and not (row.lost or row.revoked):
                    yield Offer(row.worker_id, known_as(row.worker_id, registered(row)), Capacity.of(row))
            after = page[-1].worker_id

    def _all(self) -> Iterator[Offer]:
        for member in self._members.values():
            if member.takes:
                yield Offer(member.worker_id, member.holder.avoided_as, member.capacity)
        for offer in self._away:
            if offer.worker_id not in self._members:
                yield offer


def lacking(part: Part, capacities: list[Capacity]) -> str | None:
    """What a part asks for and none of these offers, in words; None: one of them does."""
    if any(one.refusal(part) is None for one in capacities):
        return None
    held = [one for one in capacities if one.holds]
    if not held:
        return f"it asks for {part}, and no worker holds jobs to their parts"
    cpu, ram_mb = max(one.cpu for one in held), max(one.ram_mb for one in held)
    if not part.within(Part(cpu, part.ram_mb)):
        return f"it asks for {Part(part.cpu, 0)}; the largest worker lets its jobs use {cpu:g}"
    if part.ram_mb > ram_mb:
        return f"it asks for {Part(0, part.ram_mb)}; the largest worker lets its jobs use {ram_mb:g} MB"
    return f"it asks for {part}; no worker lets its jobs use both"
