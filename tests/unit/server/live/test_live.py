"""Live events: the newest state always arrives, an older one never after it, and no reader costs more than it reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from cmdexec.link.socket import Close
from cmdexec.notify.contract import JobsChanged
from cmdexec.protocol.requests import WorkerView
from cmdexec.protocol.watching import Watch
from cmdexec.server.live import live as live_events
from cmdexec.server.live import rows as live_rows
from cmdexec.server.live.shows import Shown
from tests.support.waiting import becomes
from tests.unit.server.core import Core, core
from tests.unit.server.live.looking import Looking, looking

JOBS = Watch(what="jobs")
WORKERS = Watch(what="workers")


def job_of(job_id: str) -> Watch:
    return Watch(what="job", job_id=job_id)


@pytest.fixture
async def fast(tmp_path: Path) -> AsyncIterator[Looking]:
    """All is looked at every few milliseconds."""
    fields = {"live_check_sec": "50ms", "live_workers_sec": "50ms", "socket_send_timeout_sec": "100ms"}
    async with core(tmp_path, **fields) as made, looking(made) as look:
        yield look


async def submitted(core: Core) -> str:
    (job,) = await core.submit()
    return job.job_id


async def test_a_change_whose_hint_was_lost_is_told_when_all_is_looked_at(
    fast: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await submitted(fast.core)
    async with fast.watching(job_of(job_id), JOBS) as (_, seen):
        await becomes(lambda: seen.statuses("job", job_id) and seen.statuses("jobs", job_id), "how it stands is told")
        monkeypatch.setattr(fast.core.notify, "publish", lambda hint: None)
        await fast.core.jobs.cancel([job_id], "me")
        await becomes(lambda: seen.statuses("job", job_id)[-1] == "cancelled", "the whole job is told")
        await becomes(lambda: seen.statuses("jobs", job_id)[-1] == "cancelled", "its row is told")


async def test_a_hint_that_only_names_jobs_has_them_looked_up(tmp_path: Path) -> None:
    async with core(tmp_path, live_check_sec="10m") as made, looking(made) as look:
        job_id = await submitted(made)
        async with look.watching(job_of(job_id)) as (_, seen):
            await becomes(lambda: seen.statuses("job", job_id) == ["queued"], "how it stands is told")
            publish = made.notify.publish
            made.notify.publish = lambda hint: None  # type: ignore[method-assign]
            await made.jobs.cancel([job_id], "me")
            publish(JobsChanged((job_id,)))
            await becomes(lambda: seen.statuses("job", job_id) == ["queued", "cancelled"], "the change is told")


async def test_who_reads_late_is_told_the_newest_state_alone(tmp_path: Path) -> None:
    async with core(tmp_path) as made, looking(made) as look:
        job_id = await submitted(made)
        async with look.watching(job_of(job_id), JOBS) as (_, seen):
            both = ("job", "jobs")
            await becomes(lambda: all(seen.statuses(op, job_id) for op in both), "how it stands is told")
            seen.fill()
            worker = await made.connect()
            (given,) = await made.claim(worker.holder)
            await worker.start((given.job_id, given.attempt))
            await worker.done(given.job_id, given.attempt)
            seen.empty()
            await becomes(lambda: seen.statuses("job", job_id)[-1] == "completed", "the end is told")
            await becomes(lambda: seen.statuses("jobs", job_id)[-1] == "completed", "its row is told")
            assert seen.statuses("job", job_id) == ["queued", "completed"]
            assert seen.statuses("jobs", job_id) == ["queued", "completed"]


async def test_what_waits_for_a_slow_reader_is_no_job_but_only_its_id(tmp_path: Path) -> None:
    async with core(tmp_path) as made, looking(made) as look:
        (job,) = await made.submit(env={"LARGE": "x" * 100_000})
        async with look.watching(job_of(job.job_id)) as (watcher, seen):
            await becomes(lambda: seen.items("job"), "how it stands is told")
            seen.fill()
            await made.jobs.cancel([job.job_id], "me")
            assert watcher._jobs._due == {job.job_id: 1}
            seen.empty()
            await becomes(lambda: seen.statuses("job", job.job_id)[-1] == "cancelled", "the end is told")


@pytest.mark.parametrize("what", ["job", "jobs"])
async def test_who_does_not_read_at_all_is_cut_off_with_a_sentence(fast: Looking, what: str) -> None:
    job_id = await submitted(fast.core)
    async with fast.watching(job_of(job_id) if what == "job" else JOBS) as (_, seen):
        await becomes(lambda: seen.items(what), "how it stands is told")
        seen.fill()
        await fast.core.jobs.cancel([job_id], "me")
        await becomes(lambda: seen.ended, "it is cut off")
        assert seen.ended == (Close.TOO_SLOW, "Too slow: what you watch changes faster than you read.")


async def test_an_older_state_is_never_told_after_a_newer_one(tmp_path: Path) -> None:
    async with core(tmp_path, live_check_sec="10m") as made, looking(made) as look:
        old = (await made.submit())[0]
        async with look.watching(job_of(old.job_id), JOBS) as (watcher, seen):
            await becomes(lambda: seen.items("job") and seen.items("jobs"), "how it stands is told")
            await made.jobs.cancel([old.job_id], "me")
            await becomes(lambda: seen.statuses("jobs", old.job_id)[-1] == "cancelled", "its row is told")
            watcher._jobs.changed(Shown(old, look.shows))
            watcher._rows.changed(Shown(old, look.shows))
            (new,) = await made.submit()
            await becomes(lambda: seen.statuses("jobs", new.job_id), "what came later is told")
            assert seen.statuses("job", old.job_id) == ["queued", "cancelled"]
            assert seen.statuses("jobs", old.job_id) == ["queued", "cancelled"]


async def test_a_list_too_long_to_keep_leaves_out_the_oldest_and_is_told_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_rows, "_WAITING_MAX", 3)
    async with core(tmp_path) as made, looking(made) as look:
        async with look.watching(JOBS) as (_, seen):
            seen.fill()
            jobs = [await submitted(made) for _ in range(8)]
            seen.empty()
            await becomes(lambda: {row.job_id for row in seen.items("jobs")} == set(jobs), "all are told in the end")


async def test_nothing_is_kept_of_a_socket_that_has_ended(fast: Looking) -> None:
    job_id = await submitted(fast.core)
    async with fast.watching(job_of(job_id), JOBS, WORKERS):
        assert (len(fast.live._feeds), len(fast.live._lists), len(fast.live.workers._feeds)) == (1, 1, 1)
    assert (len(fast.live._feeds), len(fast.live._lists), len(fast.live.workers._feeds)) == (0, 0, 0)


async def test_a_job_that_waits_for_something_else_now_is_told_though_it_has_not_changed(fast: Looking) -> None:
    (job,) = await fast.core.submit(requires={"gpu": "yes"})
    async with fast.watching(job_of(job.job_id)) as (_, seen):
        await becomes(lambda: seen.items("job"), "how it stands is told")
        first = seen.items("job")[-1].waiting_for
        await fast.core.connect("w1", slots=1)
        fast.core.clock.go_on(1)
        await becomes(lambda: seen.items("job")[-1].waiting_for != first, "what it waits for now is told")
        assert seen.statuses("job", job.job_id) == ["queued"] * len(seen.items("job"))


def a_worker(worker_id: str, seen_at: str = "", slots: int = 1) -> WorkerView:
    fields = {
        "workerId": worker_id, "name": worker_id, "state": "online", "version": "0", "platform": "test",
        "slots": slots, "freeSlots": None, "executors": [], "labels": {}, "cpu": None, "ramMb": None, "limits": None,
        "transport": None, "load": None, "registeredAt": "", "lastSeenAt": seen_at, "jobs": [],
    }  # fmt: skip
    return msgspec.convert(fields, WorkerView)


async def test_workers_are_told_where_they_differ_and_to_a_full_socket_later(fast: Looking) -> None:
    fast.workers = [a_worker("a"), a_worker("b")]
    async with fast.watching(WORKERS) as (watcher, seen):
        await becomes(lambda: len(seen.items("workers")) == 2, "all are told first")
        fast.workers = [a_worker("a", seen_at="later"), a_worker("b", slots=2)]
        await becomes(lambda: len(seen.items("workers")) == 3, "one that differs is told")
        assert seen.items("workers")[-1] == a_worker("b", slots=2), "when it was heard of makes no difference"
        seen.fill()
        fast.workers = [a_worker("a", slots=5), a_worker("b", slots=6)]
        await becomes(lambda: fast.live.workers._change == 5, "it is looked at")
        seen.empty()
        await becomes(lambda: len(seen.items("workers")) == 5, "both are told once there is room")
        watcher.unwatch([WORKERS])
        await watcher.watch([WORKERS])
        watcher.go()
        await becomes(lambda: len(seen.items("workers")) == 7, "who watches again is told all")


async def test_hints_of_what_nobody_watches_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with core(tmp_path, live_check_sec="10m") as made, looking(made) as look:
        job_id = await submitted(made)
        async with look.watching(job_of(job_id)) as (_, seen):
            await becomes(lambda: seen.items("job"), "how it stands is told")
            shown: list[str] = []
            monkeypatch.setattr(live_events, "Shown", lambda job, shows: shown.append(job.job_id) or Shown(job, shows))
            await made.submit(3)
            await made.jobs.cancel([job_id], "me")
            assert shown == [job_id]
