"""Following a job: all its output from some point on, each byte once and in order, and then its end.

A follower takes what comes from the newest output in memory when it is there, and from the store when not: so it may be
as slow as it likes. Hints wake it; it looks at the store every FOLLOW_CHECK_SEC anyway.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from cmdexec.errors import Refused
from cmdexec.model.job import Attempt, Job
from cmdexec.model.sentences import attempt_sentence
from cmdexec.notify.contract import JobsChanged, Notify, OutputGrew
from cmdexec.server.output.measures import READ_BYTES
from cmdexec.server.output.tail import Tail
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.output import STREAMS
from cmdexec.store.contract.reads import Reads


class FollowEvent(msgspec.Struct, frozen=True):
    """What a follower gets: `Piece`, `NewAttempt` or `JobEnded`."""


class Piece(FollowEvent, frozen=True):
    """The bytes at `offset` of a stream of the attempt named last."""

    stream: str
    offset: int
    data: bytes


class NewAttempt(FollowEvent, frozen=True):
    """What follows is output of this attempt; people know it as run number `run`. `why`: how the one before it ended,
    None for the first."""

    attempt: int
    run: int
    why: str | None = None


class JobEnded(FollowEvent, frozen=True):
    """It has ended, and all its output came before. Nothing comes after this."""

    job: Job


class _Watched:
    """One job that somebody follows: the newest of its output, and who wants to know."""

    def __init__(self) -> None:
        self.followers: set[_Follow] = set()
        self.tails: dict[tuple[int, str], Tail] = {}


class Follower:
    """Follows jobs. One for the whole server."""

    def __init__(self, *, reads: Reads, notify: Notify, settings: ServerSettings) -> None:
        self._reads = reads
        self._check_sec = settings.follow_check_sec
        self._keep = settings.follow_keep_bytes
        self._watched: dict[str, _Watched] = {}
        notify.listen(OutputGrew, self._grew)
        notify.listen(JobsChanged, self._changed)

    @property
    def followed(self) -> frozenset[str]:
        """The jobs that somebody follows."""
        return frozenset(self._watched)

    async def follow(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        streams: tuple[str, ...] = STREAMS,
        offsets: Mapping[str, int] | None = None,
    ) -> AsyncIterator[FollowEvent]:
        """What there is and what comes, until the job ends.

        attempt   only that one: it ends when no more can come of it, with JobEnded if the job has ended then. By
                  default the newest, and each that comes after it
        offsets   where to begin in the streams of the first attempt that is followed

        Close the iterator to stop. Raises Refused("not_found") and what the store raises.
        """
        with self._enter(job_id) as follow:
            job = await self._job(job_id)
            number = attempt
            if number is None and job.attempts:
                number = job.attempts[-1].number
            at = {stream: (offsets or {}).get(stream, 0) for stream in streams}
            if number is not None:
                yield _new_attempt(job, number)
            while True:
                looks = follow.look
                follow.woken.clear()
                if looks:
                    follow.look = False
                    job = await self._job(job_id)
                if number is not None:
                    dry: set[str] = set()
                    while (piece := await self._next(follow, job_id, number, at, dry, sure=looks)) is not None:
                        yield piece
                    run = job.attempt_named(number)
                    if attempt is not None and looks and (job.ended or _over(job, run, number)):
                        if job.ended:
                            yield JobEnded(job)
                        return
                later = _next_run(job, number) if attempt is None and looks else None
                if later is not None:
                    number = later.number
                    at = dict.fromkeys(streams, 0)
                    follow.look = True
                    yield _new_attempt(job, number)
                    continue
                if job.ended:
                    yield JobEnded(job)
                    return
                await follow.wait(self._check_sec)

    async def _next(
        self, follow: "_Follow", job_id: str, attempt: int, at: dict[str, int], dry: set[str], *, sure: bool
    ) -> Piece | None:
        """The next piece from `at` on, which it moves, of streams in turn; None when all of them are `dry`. `sure`: the
        store is asked until it has no more; otherwise only what hints have told of."""
        for stream in tuple(at):
            if stream in dry:
                continue
            offset = at[stream]
            data = await self._bytes(follow, job_id, attempt, stream, offset, sure=sure)
            if data:
                del at[stream]
                at[stream] = offset + len(data)
                return Piece(stream, offset, data)
            dry.add(stream)
        return None

    async def _bytes(
        self, follow: "_Follow", job_id: str, attempt: int, stream: str, offset: int, *, sure: bool
    ) -> bytes:
        tail = follow.watched.tails.get((attempt, stream))
        if tail is not None:
            kept = tail.at(offset, READ_BYTES)
            if kept is not None:
                return kept
        if not sure and (tail is None or tail.end <= offset):
            return b""
        return await self._reads.output.read(job_id, attempt, stream, offset, READ_BYTES)

    async def _job(self, job_id: str) -> Job:
        (job,) = await self._reads.jobs.get([job_id])
        if job is None:
            raise Refused("not_found", "There is no such job.", field="jobId")
        return job

    @contextmanager
    def _enter(self, job_id: str) -> Iterator["_Follow"]:
        watched = self._watched.setdefault(job_id, _Watched())
        follow = _Follow(watched)
        watched.followers.add(follow)
        try:
            yield follow
        finally:
            watched.followers.discard(follow)
            if not watched.followers and self._watched.get(job_id) is watched:
                del self._watched[job_id]

    def _grew(self, hint: OutputGrew) -> None:
        watched = self._watched.get(hint.job_id)
        if watched is None:
            return
        key = (hint.attempt, hint.stream)
        tail = watched.tails.get(key)
        if tail is None:
            for old in [old for old in watched.tails if old[0] < hint.attempt]:
                del watched.tails[old]
            tail = watched.tails[key] = Tail(self._keep)
        tail.grew(hint.end, hint.data)
        for follow in watched.followers:
            follow.woken.set()

    def _changed(self, hint: JobsChanged) -> None:
        if not self._watched:
            return
        for job_id in hint.job_ids:
            watched = self._watched.get(job_id)
            if watched is not None:
                for follow in watched.followers:
                    follow.look = True
                    follow.woken.set()


class _Follow:
    """One follower. `look`: the job may have changed, so it has to be read again."""

    def __init__(self, watched: _Watched) -> None:
        self.watched = watched
        self.woken = asyncio.Event()
        self.look = True

    async def wait(self, seconds: float) -> None:
        """Until there is something new, or it is time to look anyway."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            self.look = True


def _new_attempt(job: Job, number: int) -> NewAttempt:
    upto = [run for run in job.attempts if run.number <= number]
    before = upto[-2] if len(upto) > 1 else None
    return NewAttempt(number, job.dropped + len(upto), None if before is None else attempt_sentence(job, before))


def _next_run(job: Job, number: int | None) -> Attempt | None:
    return next((run for run in job.attempts if number is None or run.number > number), None)


def _over(job: Job, run: Attempt | None, number: int) -> bool:
    """Whether no more output can come of the attempt as things stand."""
    return job.attempt > number if run is None else run.ended_at is not None
