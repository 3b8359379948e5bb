"""Giving queued jobs to workers: those that come first are read, and each is taken on the condition that it is still as
it was read. So of two servers that want the same job one gets it, and the other looks for the next."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pymongo import UpdateOne

from cmdexec.model.birth import claimed
from cmdexec.model.job import Job, Status
from cmdexec.model.parts import Free
from cmdexec.store.contract.jobs_write import Wanted
from cmdexec.store.mongo.connection import Connection, Document
from cmdexec.store.mongo.documents import decode, job_of, update
from cmdexec.store.mongo.queue import Front, Queue

_TRIES = 50
"""How often a claim looks anew after others took what it had found: each time somebody got a job."""


class _Taking:
    """A claim on its way.

    has     what it got
    takes   what it is about to take
    passed  the classes of which it takes no more, since the part of the next of them is not free
    met_others   some of the queue it may not have: they avoid the worker, or are of such a class
    over    it looks no further
    """

    __slots__ = ("_at", "_first", "_free", "_weight", "has", "met_others", "over", "passed", "takes", "wanted")

    def __init__(self, wanted: Wanted, has: list[Job], *, over: bool = False) -> None:
        self.wanted = wanted
        self.has = has
        self.takes: list[Front] = []
        self.over = over
        self.begin(set())

    @property
    def klasses(self) -> frozenset[str]:
        return frozenset(self.wanted.klasses)

    @property
    def wants(self) -> int:
        """How many jobs it may still take."""
        return max(0, self.wanted.limit - len(self.has))

    def begin(self, gone: set[str]) -> None:
        """Choose anew, at the beginning of a queue."""
        gone.difference_update([one.job_id for one in self.takes])
        self.takes = []
        self.passed: set[str] = set()
        self.go_on()
        self._first = not self.has
        self._weight = sum(job.spec.weight for job in self.has)
        self._free = None if self.wanted.free is None else Free(self.wanted.free)
        for job in self.has:
            part = self.wanted.parts.get(job.klass)
            if self._free is not None and part is not None:
                self._free.take(part)

    def go_on(self) -> None:
        """Choose on, in another queue that goes on where the one before ended."""
        self.met_others = False
        self._at = 0

    def choose(self, fronts: Sequence[Front], gone: set[str]) -> bool:
        """Choose from what came to the queue, in the order of rank, what is wanted and not `gone`. False: there may be
        some beyond."""
        while self._at < len(fronts) and not self._is_full():
            self._consider(fronts[self._at], gone)
            self._at += 1
        return self._is_full() or self.passed == self.klasses

    def _consider(self, one: Front, gone: set[str]) -> None:
        if one.job_id in gone:
            return
        if one.klass in self.passed or self.wanted.claim.avoided_as in one.avoid:
            self.met_others = True
            return
        part = None if self._free is None else self.wanted.parts.get(one.klass)
        fits = part is None or self._free is None or part.within(self._free)
        if fits or (self.wanted.ahead and self._first):
            self.takes.append(one)
            gone.add(one.job_id)
            self._weight += one.weight
            if part is not None and self._free is not None and fits:
                self._free.take(part)
        if not fits:
            self.passed.add(one.klass)
        self._first = False

    def _is_full(self) -> bool:
        count = len(self.has) + len(self.takes)
        return count >= self.wanted.limit or (count > 0 and self._weight >= self.wanted.most)


class Claiming:
    """Carries out several claims together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(self, claims: Sequence[Wanted]) -> list[list[Job]]:
        """What each of them gets, those that come first first."""
        queues = self._queues([_Taking(wanted, []) for wanted in claims])
        named, _ = await asyncio.gather(
            self._named({wanted.claim.claim_id for wanted in claims}),
            asyncio.gather(*(queue.read_on() for queue in queues.values())),
        )
        taking: dict[str, _Taking] = {}
        for wanted in claims:
            claim_id = wanted.claim.claim_id
            taking.setdefault(claim_id, _Taking(wanted, named.get(claim_id, []), over=claim_id in named))
        for _ in range(_TRIES):
            waiting = [one for one in taking.values() if not one.over]
            if not waiting:
                break
            await self._take(waiting, queues)
            await self._look_again([one for one in waiting if not one.over])
            queues = self._queues(waiting)
        return [
            [job for job in taking[wanted.claim.claim_id].has if job.status is Status.ASSIGNED] for wanted in claims
        ]

    async def _look_again(self, claims: Sequence[_Taking]) -> None:
        """Whether it was these very claims, asked before and carried out since, that took what they had found."""
        if not claims:
            return
        named = await self._named({one.wanted.claim.claim_id for one in claims})
        for one in claims:
            jobs = named.get(one.wanted.claim.claim_id, [])
            if len(jobs) > len(one.has):
                one.has, one.over = jobs, True

    async def _named(self, claim_ids: Iterable[str]) -> dict[str, list[Job]]:
        """The jobs that name a claim already, by claim, in the order in which they came. If one does, the others may
        have been written too short a time ago to be seen by every reader."""
        which = {"claimId": {"$in": list(claim_ids)}}
        found = await self._connection.read(lambda: self._naming(which))
        if found:
            await self._connection.catch_up()
            found = await self._connection.read(lambda: self._naming(which))
        named: dict[str, list[Job]] = {}
        for one in found:
            named.setdefault(one["claimId"], []).append(job_of(one))
        return named

    async def _naming(self, which: Document) -> list[Document]:
        return await self._connection.jobs.find(which, {"claimId": 1, "doc": 1}).sort("seq", 1).to_list(None)

    def _queues(self, claims: Sequence[_Taking]) -> dict[frozenset[str], Queue]:
        """A queue for each set of classes, which those share that want jobs of these."""
        most: Counter[frozenset[str]] = Counter()
        for one in claims:
            most[one.klasses] += one.wants
        return {klasses: Queue(self._connection, klasses, count) for klasses, count in most.items()}

    async def _take(self, claims: Sequence[_Taking], queues: Mapping[frozenset[str], Queue]) -> None:
        """Take once for each. Those that got all that they had found, or found nothing, are over."""
        await self._choose(claims, queues)
        taken = {
            front.job_id: (front.rev, claimed(decode(front.doc), one.wanted.claim, one.wanted.now))
            for one in claims for front in one.takes
        }  # fmt: skip
        lost = await self._write(taken)
        for one in claims:
            got = [front.job_id for front in one.takes if front.job_id not in lost]
            one.over = len(got) == len(one.takes)
            one.has = [*one.has, *(taken[job_id][1] for job_id in got)]
            one.takes = []

    async def _choose(self, claims: Sequence[_Taking], queues: Mapping[frozenset[str], Queue]) -> None:
        """Let each choose in turn. One that meets jobs which it may not have goes on in a queue without those, of which
        there may be very many."""
        gone: set[str] = set()
        for one in claims:
            queue = queues[one.klasses]
            one.begin(gone)
            while not one.choose(queue.fronts, gone):
                if one.met_others and not queue.whole:
                    queue = queue.beyond(one.klasses - one.passed, one.wanted.claim.avoided_as)
                    one.go_on()
                if not await queue.read_on():
                    break

    async def _write(self, taken: dict[str, tuple[int, Job]]) -> set[str]:
        """Write them all, each if it is still as it was read; the ids of those that were not."""
        if not taken:
            return set()
        writes = [
            UpdateOne({"_id": job_id, "rev": rev}, update(job, {"changeId": job.claim_id}))
            for job_id, (rev, job) in taken.items()
        ]
        done = await self._connection.write(lambda: self._connection.jobs.bulk_write(writes, ordered=False))
        if done.matched_count == len(writes):
            return set()
        await self._connection.catch_up()
        which = {"_id": {"$in": list(taken)}}
        found = await self._connection.read(lambda: self._connection.jobs.find(which, {"doc": 1}).to_list(None))
        stands = {job.job_id: job for job in map(job_of, found)}
        return {job_id for job_id, (_, job) in taken.items() if stands.get(job_id) != job}
