"""Whoever waits for the end of a job is told that once, and costs next to nothing until then."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cmdexec.model.job import Job
from cmdexec.protocol.messages import Failure
from cmdexec.protocol.watching import Watch
from cmdexec.server.live import watcher as live_watcher
from tests.support.waiting import becomes
from tests.unit.server.core import Core, Worker, core
from tests.unit.server.live.looking import Looking, looking


def end_of(job_id: str) -> Watch:
    return Watch(what="job", job_id=job_id, until="ended")


@pytest.fixture
async def look(tmp_path: Path) -> AsyncIterator[Looking]:
    async with core(tmp_path, live_check_sec="10m") as made, looking(made) as look:
        yield look


async def runs(core: Core, job_id: str) -> tuple[Worker, int]:
    worker = await core.connect()
    (given,) = await core.claim(worker.holder)
    assert given.job_id == job_id
    await worker.start((job_id, given.attempt))
    return worker, given.attempt


async def ran(core: Core, job_id: str) -> None:
    worker, attempt = await runs(core, job_id)
    await worker.done(job_id, attempt)


async def test_nothing_is_told_nor_read_until_it_has_ended(look: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = await look.core.submit()
    read: list[str] = []
    get = look.live._reads.get

    async def counted(job_ids: Sequence[str]) -> list[Job | None]:
        read.extend(job_ids)
        return await get(job_ids)

    monkeypatch.setattr(look.live._reads, "get", counted)
    async with look.watching(end_of(job.job_id)) as (_, seen):
        await ran(look.core, job.job_id)
        await becomes(lambda: seen.items("job"), "its end is told")
        assert seen.statuses("job", job.job_id) == ["completed"]
        assert (read, look.live._feeds) == ([], {}), "it is watched no more"


async def test_one_that_has_ended_is_told_at_once(look: Looking) -> None:
    jobs = [job.job_id for _ in range(20) for job in await look.core.submit()]
    await look.core.jobs.cancel(jobs, "me")
    async with look.watching(*map(end_of, jobs)) as (_, seen):
        await becomes(lambda: len(seen.items("job")) == 20, "all are told")
        assert (look.live._feeds, seen.items("job")[0].status) == ({}, "cancelled")


async def test_ends_that_come_together_are_sent_at_once_together_and_nothing_else_is(look: Looking) -> None:
    jobs = [job.job_id for _ in range(5) for job in await look.core.submit()]
    async with look.watching(*map(end_of, jobs)) as (watcher, seen):
        (other,) = await look.core.submit()
        await watcher.watch([Watch(what="job", job_id=other.job_id)])
        watcher.go()
        await becomes(lambda: seen.statuses("job", other.job_id) == ["queued"], "how it stands is told")
        await look.core.jobs.cancel(jobs, "somebody")
        await becomes(lambda: len(seen.items("job")) == 6, "their ends are told")
        assert seen.flushed == [6]


async def test_one_whose_reader_is_slow_is_told_when_there_is_room(look: Looking) -> None:
    (job,) = await look.core.submit()
    async with look.watching(end_of(job.job_id)) as (_, seen):
        seen.fill()
        await ran(look.core, job.job_id)
        seen.empty()
        await becomes(lambda: seen.statuses("job", job.job_id) == ["completed"], "its end is told")
        assert look.live._feeds == {}


async def test_whoever_wants_all_of_it_after_all_is_told_all(look: Looking) -> None:
    (job,) = await look.core.submit()
    async with look.watching(end_of(job.job_id)) as (watcher, seen):
        await watcher.watch([Watch(what="job", job_id=job.job_id)])
        watcher.go()
        await becomes(lambda: seen.statuses("job", job.job_id) == ["queued"], "how it stands is told")
        await watcher.watch([end_of(job.job_id)])
        watcher.go()
        worker, attempt = await runs(look.core, job.job_id)
        await becomes(lambda: seen.statuses("job", job.job_id)[-1] == "running", "that it runs is told")
        await worker.done(job.job_id, attempt)
        await becomes(lambda: seen.statuses("job", job.job_id)[-1] == "completed", "the end is told")


@pytest.mark.parametrize("remembered", [False, True])
async def test_an_end_whose_hint_was_lost_is_told_when_all_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remembered: bool
) -> None:
    """Also if another server ended it, and this one remembers how it stood before."""
    async with core(tmp_path, live_check_sec="50ms") as made, looking(made) as look:
        (job,) = await made.submit()
        async with look.watching(end_of(job.job_id)) as (_, seen):
            await becomes(lambda: look.live._looks > 1, "nothing is in doubt")
            monkeypatch.setattr(made.notify, "publish", lambda hint: None)
            if remembered:
                monkeypatch.setattr(look.live, "_recall", lambda job_id: job)
            await made.jobs.cancel([job.job_id], "me")
            await becomes(lambda: seen.statuses("job", job.job_id) == ["cancelled"], "its end is told")


async def test_so_many_ends_are_watched_and_no_more(look: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_watcher, "ENDS_MAX", 2)
    monkeypatch.setattr(live_watcher, "WATCHES_MAX", 1)
    jobs = [job.job_id for _ in range(3) for job in await look.core.submit()]
    async with look.watching(*map(end_of, jobs[:2])) as (watcher, _):
        (refused,) = await watcher.watch([end_of(jobs[2])])
        assert isinstance(refused, Failure)
        assert refused.message == "One socket watches the ends of 2 jobs at most."
        whole = [Watch(what="job", job_id=job_id) for job_id in jobs]
        first, second, third = await watcher.watch(whole)
        assert not isinstance(first, Failure), "those told whole are counted apart"
        assert isinstance(second, Failure)
        assert isinstance(third, Failure)
        assert [watcher._jobs.whole, watcher._jobs.ends] == [1, 1]
        watcher.unwatch([end_of(jobs[1])])
        assert not isinstance((await watcher.watch([end_of(jobs[2])]))[0], Failure)


async def test_only_a_job_has_an_end(look: Looking) -> None:
    async with look.watching() as (watcher, _):
        (refused,) = await watcher.watch([Watch(what="jobs", until="ended")])
        assert isinstance(refused, Failure)
        assert (refused.code, refused.field) == ("invalid_field", "until")
