"""Sending assignments: as many as a worker's socket has room for, the others when it has.

Of those that have to wait only the names are kept, and the jobs are read again when their turn comes: a hundred of them
may be larger than what may wait for one socket. A job that its worker cannot run, or of a worker that takes none any
more, is not sent at all: it goes back to the queue.
"""

from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

from cmdexec.clock import Clock
from cmdexec.errors import Refused, Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.protocol.codec import ask, encode
from cmdexec.protocol.messages import Released
from cmdexec.server.jobs import Jobs, cannot_start, recall, release
from cmdexec.server.workers.assignment import assignment
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.offers import Offers
from cmdexec.server.workers.outbox import Outbox
from cmdexec.store.contract.reads import JobReads

_SMALL_BYTES = 8 * 1024
_FRAME_BYTES = 60 * 1024
"""Small jobs share a frame of this size, which every message has room for; a larger one has its own."""

_LETTER_BYTES = 6
"""What one character takes in JSON at the most."""

_REST_BYTES = 400
"""What an assignment takes beside command and environment, at the most."""

_PAGE = 16
_PAGE_MOST = 256
_PAGE_BYTES = 1024 * 1024
"""How many jobs are read at once to be sent later: as many as are about so large together, as far as is known."""

_TOO_LARGE = "command and environment are larger than a message to a worker may be (MAX_FRAME_BYTES)"

Spawn = Callable[[Coroutine[Any, Any, None], Outbox], None]
"""Does work for a socket."""


class Courier:
    """For all workers. `sent_all` is called when a worker has got all that had to wait, or may be given other jobs."""

    def __init__(
        self, reads: JobReads, jobs: Jobs, offers: Offers, clock: Clock, *, spawn: Spawn, sent_all: Callable[[], None]
    ) -> None:
        self._reads = reads
        self._jobs = jobs
        self._offers = offers
        self._clock = clock
        self._spawn = spawn
        self._sent_all = sent_all

    def at_once(self, member: Member, jobs: Sequence[Job]) -> bool:
        """Whether these could be sent now, all of them and in one message."""
        room = not member.unsent and member.outbox.has_room(_FRAME_BYTES)
        return room and all(map(member.may_begin, jobs)) and sum(map(_size, jobs)) <= _FRAME_BYTES

    def send(self, member: Member, jobs: Sequence[Job]) -> None:
        """Send these after those that wait."""
        jobs = self.turn_back(member, jobs)
        sent = 0 if member.unsent else self._put(member, jobs)
        member.outbox.flush()
        self.send_later(member, [(job.job_id, job.attempt) for job in jobs[sent:]])

    def send_later(self, member: Member, attempts: Sequence[tuple[str, int]]) -> None:
        """Read these attempts, and send what is still so."""
        idle = not member.unsent
        member.unsent.update(dict.fromkeys(attempts))
        if idle and member.unsent:
            self._spawn(self._work(member), member.outbox)

    def turn_back(self, member: Member, jobs: Sequence[Job]) -> Sequence[Job]:
        """See that those which have not begun, and cannot or shall not there any more, go back to the queue; returns
        the rest."""
        back = [job for job in jobs if job.status is Status.ASSIGNED and not member.may_begin(job)]
        if not back:
            return jobs
        gone = {job.job_id for job in back}
        self.give_back(member, [(job.job_id, job.attempt) for job in back])
        return [job for job in jobs if job.job_id not in gone]

    def give_back(self, member: Member, attempts: Sequence[tuple[str, int]]) -> None:
        """These, which it has not begun, go back to the queue."""
        items = [Released(job_id=job_id, attempt=attempt, why="handedBack") for job_id, attempt in attempts]
        if items:
            self._spawn(self._given_back(member, items), member.outbox)

    async def _given_back(self, member: Member, items: Sequence[Released]) -> None:
        """If the worker leaves meanwhile, it is done when it comes again. One that takes no more may never come; or its
        next process does, with the same spool, which may have begun them: then what has not begun is recalled."""
        while not (member.gone and member.takes):
            try:
                if member.gone:
                    outcomes = await self._jobs.turn(recall([item.job_id for item in items]))
                else:
                    asks = [release(member.holder, item, fleet=self._offers) for item in items]
                    outcomes = await self._jobs.turn(asks)
            except Unavailable as away:
                await self._clock.sleep(away.retry_after)
                continue
            for item, outcome in zip(items, outcomes, strict=True):
                member.stands(item.job_id, item.attempt, outcome.job, self._clock.elapsed())
            self._sent_all()
            return

    async def _work(self, member: Member) -> None:
        page = _PAGE
        while member.unsent and not member.gone:
            names = list(islice(member.unsent, page))
            try:
                found = await self._reads.get([job_id for job_id, _ in names])
                ready = [
                    job
                    for name, job in zip(names, found, strict=True)
                    if member.has(*name) and self._stands(member, name, job) and job is not None
                ]
                await self._send_when_possible(member, self.turn_back(member, ready))
            except Unavailable as away:  # the store, or the socket has ended
                await self._clock.sleep(away.retry_after)
                continue
            for name in names:
                member.unsent.pop(name, None)
            mean = 1 + sum(_size(job) for job in ready) // max(1, len(ready))
            page = max(1, min(_PAGE_MOST, _PAGE_BYTES // mean))
        self._sent_all()

    async def _send_when_possible(self, member: Member, jobs: Sequence[Job]) -> None:
        while not member.gone and member.takes:
            jobs = [job for job in jobs if member.has(job.job_id, job.attempt)]  # some may be taken back meanwhile
            if not jobs:
                return
            sent = self._put(member, jobs)
            if not sent and not member.outbox.has_room(size := _size(jobs[0])):
                await member.outbox.room(size)
                continue
            if not sent:
                await self._refuse(member, jobs[0])
            for job in jobs[: sent or 1]:
                member.unsent.pop((job.job_id, job.attempt), None)
            jobs = jobs[sent or 1 :]

    def _stands(self, member: Member, name: tuple[str, int], job: Job | None) -> bool:
        """Whether the attempt is still this worker's, and has not begun."""
        job_id, attempt = name
        member.stands(job_id, attempt, job, self._clock.elapsed())
        return job is not None and job.status is Status.ASSIGNED

    def _put(self, member: Member, jobs: Sequence[Job]) -> int:
        """Send as many of them as there is room for, in their order; returns how many. One too large for a message is
        not sent, nor are those after it."""
        begin = end = size = 0
        try:
            for job in jobs:
                more = _size(job)
                if end > begin and size + more > _FRAME_BYTES:
                    self._flush(member, jobs[begin:end])
                    begin, size = end, 0
                if not member.outbox.has_room(size + more):
                    break
                size += more
                end += 1
            self._flush(member, jobs[begin:end])
        except Refused:
            return begin
        return end

    def _flush(self, member: Member, jobs: Sequence[Job]) -> None:
        if jobs:
            member.outbox.put(ask("assign", [assignment(job) for job in jobs]))
            member.sent(jobs, self._clock.elapsed())

    async def _refuse(self, member: Member, job: Job) -> None:
        """It can never be sent: the bound was lowered since it was submitted."""
        (outcome,) = await self._jobs.turn([cannot_start(member.holder, job.job_id, job.attempt, _TOO_LARGE)])
        member.stands(job.job_id, job.attempt, outcome.job, self._clock.elapsed())


def _size(job: Job) -> int:
    """Bytes that its assignment takes: of a small one at the most, of a large one as it is."""
    most = _REST_BYTES + _LETTER_BYTES * job.spec.weight
    return most if most <= _SMALL_BYTES else len(encode(assignment(job)))
