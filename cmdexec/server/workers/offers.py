"""Who might run a job that one worker declines, and who is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from cmdexec.clock import Clock
from cmdexec.model.job import Job
from cmdexec.model.matching import Machine, matches, needs_of
from cmdexec.server.workers.elsewhere import Abroad, Elsewhere
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.parts import known_as, machine_of
from cmdexec.server.workers.rows import registered
from cmdexec.store.contract.workers import WorkerRow, Workers

_GOOD_FOR_SEC = 1.0
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Offer:
    """A worker, what a job calls it that it declined, and what it has of what jobs may need. `drains`: it takes no jobs
    for now."""

    worker_id: str
    known_as: str
    machine: Machine
    called: str
    drains: bool


class Offers:
    """The workers that run jobs, or may again: those that are connected, and those that are away, for however long,
    unless they were revoked. Who is away has to be looked up before they are asked for; who only wants to say what is
    known takes what was looked up last, and those who left since."""

    def __init__(self, members: Mapping[str, Member], workers: Workers, clock: Clock, elsewhere: Elsewhere) -> None:
        self._members = members
        self._elsewhere = elsewhere
        self._workers = workers
        self._clock = clock
        self._away: dict[str, Offer] = {}
        self._shut_out: dict[str, str] = {}
        self._until = -inf
        self._wanted = True
        self.known = False
        """Whether it was looked at all."""
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Look who is away. Raises Unavailable."""
        async with self._looking:
            if self._clock.elapsed() < self._until:
                return
            self._until = self._clock.elapsed() + _GOOD_FOR_SEC  # who leaves meanwhile is looked up again
            try:
                await self._look()
            except BaseException:
                self._until = -inf
                raise
            self.known, self._wanted = True, False

    async def look_if_wanted(self) -> None:
        """Look who is away, if somebody was told of it since what was seen is no longer good. Raises Unavailable."""
        if self._wanted:
            await self.look()

    def left(self, member: Member, *, for_good: bool) -> None:
        """It is away now, or gone `for_good`."""
        self._until = -inf
        if for_good:
            self._away.pop(member.worker_id, None)
        elif member.register.executors:
            self._away[member.worker_id] = _offer(member)

    def revoked(self, worker_id: str, called: str) -> None:
        """It is nobody that anything could wait for any more."""
        self._away.pop(worker_id, None)
        self._shut_out[worker_id] = called
        self._until = -inf

    def others(self, job: Job, but: str) -> bool:
        """Whether a worker other than that one might run the job, now or when it takes jobs again."""
        needs = needs_of(job.spec)
        return any(
            offer.worker_id != but and offer.known_as not in job.avoid and matches(needs, offer.machine)
            for offer in self._all()
        )

    def called(self, worker_id: str) -> str:
        """What people call it, as far as that is known; else its id."""
        member, offer = self._members.get(worker_id), self._away.get(worker_id)
        if member is not None:
            return member.called
        return self._shut_out.get(worker_id, worker_id) if offer is None else offer.called

    def was_revoked(self, worker_id: str) -> bool:
        """Whether it was shut out, as far as that is known."""
        return worker_id in self._shut_out

    def away(self) -> list[Offer]:
        """Those that are not connected."""
        return [offer for offer in self._not_here() if self._elsewhere.of(offer.worker_id) is None]

    def elsewhere(self) -> list[Abroad]:
        """Those that are connected to another server."""
        now, found = self._clock.elapsed(), list[Abroad]()
        for offer in self._not_here():
            there = self._elsewhere.of(offer.worker_id)
            if there is not None:
                found.append(Abroad(there, offer.machine, offer.known_as, offer.called, now))
        return found

    def _not_here(self) -> Iterator[Offer]:
        self._wanted |= self._clock.elapsed() >= self._until
        return (offer for offer in self._away.values() if offer.worker_id not in self._members)

    async def _look(self) -> None:
        away, shut_out = dict[str, Offer](), dict[str, str]()
        async for row in self._rows():
            if row.revoked:
                shut_out[row.worker_id] = row.called
            elif row.executors:
                known, drains = known_as(row.worker_id, registered(row)), row.given.draining
                away[row.worker_id] = Offer(row.worker_id, known, machine_of(row), row.called, drains)
        self._away, self._shut_out = away, shut_out

    async def _rows(self) -> AsyncIterator[WorkerRow]:
        after = ""
        while page := await self._workers.all(after, _PAGE):
            for row in page:
                yield row
            after = page[-1].worker_id

    def _all(self) -> Iterator[Offer]:
        for member in self._members.values():
            if member.register.executors:
                yield _offer(member)
        yield from self._not_here()


def _offer(member: Member) -> Offer:
    return Offer(member.worker_id, member.holder.avoided_as, member.machine, member.called, not member.takes)
