"""Followers get every byte once and in order, however they come and go, and then the end."""

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdexec.errors import Refused
from cmdexec.model.job import Job, Status
from cmdexec.notify.contract import JobsChanged, OutputGrew
from cmdexec.protocol.messages import Held
from cmdexec.server.jobs import Holder, due, report, start
from cmdexec.server.output import FollowEvent, JobEnded, NewAttempt, Piece
from cmdexec.server.output.append import Appender
from cmdexec.store.contract.output import Append
from tests.unit.server.core import Core, core, done, eventually

ME = Holder("w1", "s1")


async def running(server: Core) -> Job:
    await server.submit()
    (job,) = await server.claim(ME)
    await server.jobs.turn([start(ME, Held(job_id=job.job_id, attempt=job.attempt))])
    return await server.job(job.job_id)


async def append(server: Core, job: Job, stream: str, offset: int, data: bytes) -> None:
    appender = Appender(output=server.reads.output, measures=server.measures, notify=server.notify)
    await appender.append([Append(job.job_id, job.attempt, ME.session, stream, offset, data, 1 << 40)])


async def end(server: Core, job: Job, out: bytes | None = None, exit_code: int = 0) -> None:
    measure = await server.measures.measure(job.job_id, job.attempt)
    said = done(job.job_id, job.attempt, out, exit_code=exit_code)
    (outcome,) = await server.jobs.turn([report(ME, said, measure, 1 << 40)])
    assert outcome.refusal is None


class Seen:
    """What one follower got, checked as it comes."""

    def __init__(self, offsets: dict[str, int] | None = None) -> None:
        self.start = offsets or {}
        self.streams: dict[tuple[int, str], bytes] = {}
        self.attempts: list[tuple[int, int]] = []
        self.ended: Job | None = None

    def take(self, event: FollowEvent) -> None:
        assert self.ended is None, "something came after the end"
        if isinstance(event, NewAttempt):
            self.attempts.append((event.attempt, event.run))
        elif isinstance(event, Piece):
            key = (self.attempts[-1][0], event.stream)
            first = len(self.attempts) == 1
            begun = self.start.get(event.stream, 0) if first else 0
            before = self.streams.setdefault(key, b"")
            assert event.offset == begun + len(before), "a byte was lost or doubled"
            assert event.data
            self.streams[key] = before + event.data
        elif isinstance(event, JobEnded):
            self.ended = event.job

    async def all_of(self, events: Iterable[object], slowly: random.Random | None = None) -> "Seen":
        async for event in events:  # type: ignore[attr-defined]
            self.take(event)
            for _ in range(slowly.randrange(20) if slowly else 0):
                await asyncio.sleep(0)
        return self


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(1, 700)), max_size=30),
    keep=st.sampled_from([0, 100, 1000, 100_000]),
    joins=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    lost=st.sets(st.integers(0, 60), max_size=20),
    seed=st.integers(0, 1 << 32),
)
async def test_followers_that_join_at_any_time_get_every_byte_once(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[tuple[str, int]],
    keep: int,
    joins: list[int],
    lost: set[int],
    seed: int,
) -> None:
    rng = random.Random(seed)
    folder: Path = tmp_path_factory.mktemp("follow")
    async with core(folder, follow_keep_bytes=keep, follow_check_sec="50ms") as server:
        job = await running(server)
        told = 0
        publish = server.notify.publish

        def unreliable(hint: object) -> None:
            nonlocal told
            told += 1
            if told not in lost or not isinstance(hint, OutputGrew | JobsChanged):
                publish(hint)  # type: ignore[arg-type]

        server.notify.publish = unreliable  # type: ignore[method-assign]
        whole = {"stdout": b"", "stderr": b""}
        async with asyncio.TaskGroup() as tasks:
            following = []
            for place, (stream, size) in enumerate([*pieces, ("", 0)]):
                for join in joins:
                    if join == place or (place == len(pieces) and join > place):
                        offsets = {name: rng.randrange(len(whole[name]) + 1) for name in whole}
                        events = server.follower.follow(job.job_id, offsets=offsets)
                        following.append((offsets, tasks.create_task(Seen(offsets).all_of(events, rng))))
                if stream:
                    data = rng.randbytes(size)
                    await append(server, job, stream, len(whole[stream]), data)
                    whole[stream] += data
            await end(server, job)
        for offsets, task in following:
            seen = task.result()
            assert seen.ended is not None
            assert seen.attempts == [(1, 1)]
            for stream, data in whole.items():
                assert seen.streams.get((1, stream), b"") == data[offsets[stream] :]
        assert not server.follower.followed, "a follower that has gone is still remembered"


async def test_a_follower_of_a_job_that_has_not_begun_gets_all_its_attempts(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        (new,) = await server.submit(max_retries=1)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(Seen().all_of(server.follower.follow(new.job_id)))
            for number, code in ((1, 3), (2, 0)):
                if number == 2:
                    server.clock.go_on(400)
                    await server.jobs.turn(due([new.job_id]))
                (job,) = await server.claim(ME)
                await server.jobs.turn([start(ME, Held(job_id=job.job_id, attempt=number))])
                await append(server, job, "stdout", 0, b"attempt %d" % number)
                await end(server, job, exit_code=code)
        seen = task.result()
        assert seen.attempts == [(1, 1), (2, 2)]
        assert seen.streams == {(1, "stdout"): b"attempt 1", (2, "stdout"): b"attempt 2"}
        assert seen.ended is not None
        assert seen.ended.status is Status.COMPLETED


async def test_a_follower_of_one_attempt_gets_that_alone(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        (new,) = await server.submit(max_retries=1)
        (job,) = await server.claim(ME)
        await server.jobs.turn([start(ME, Held(job_id=job.job_id, attempt=1))])
        await append(server, job, "stdout", 0, b"first")
        await end(server, job, exit_code=3)
        seen = await Seen().all_of(server.follower.follow(new.job_id, attempt=1, streams=("stdout",)))
        assert seen.streams == {(1, "stdout"): b"first"}
        assert seen.ended is None, "the job goes on"


async def test_a_job_that_never_ran_ends_without_output(server: Core) -> None:
    (job,) = await server.submit()
    following = asyncio.create_task(Seen().all_of(server.follower.follow(job.job_id)))
    await eventually(lambda: job.job_id in server.follower.followed, "it does not follow")
    await server.jobs.cancel([job.job_id], "me")
    seen = await following
    assert (seen.attempts, seen.streams) == ([], {})
    assert seen.ended is not None
    assert seen.ended.status is Status.CANCELLED


async def test_following_what_is_not_there_is_refused(server: Core) -> None:
    with pytest.raises(Refused, match="no such job"):
        await Seen().all_of(server.follower.follow(server.runtime.ids.new()))
