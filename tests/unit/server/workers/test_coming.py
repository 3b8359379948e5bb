"""A new job is claimed with the commit that stores it, where one worker waits for it; nobody runs it before that."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cmdexec.errors import Unavailable
from cmdexec.notify.contract import JobsChanged, JobsComing
from cmdexec.store.sqlite.writer import Writer
from tests.support.waiting import becomes
from tests.unit.server.core import OWNER, Core, Worker


@asynccontextmanager
async def given_out(server: Core) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.dispatch.run())
        yield
        running.cancel()


async def idle(server: Core, name: str = "w") -> Worker:
    worker = await server.connect(name, f"s-{name}", f"i-{name}", slots=4)
    await worker.beat()
    return worker


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each commit held that a worker's jobs are made of."""
    seen: list[list[str]] = []
    commit = Writer._commit

    def counted(writer: Writer, group: list[Any]) -> None:
        names = [call.call.__qualname__.split(".")[1] for call in group]
        if kept := [name for name in names if name in ("insert", "claim")]:
            seen.append(kept)
        commit(writer, group)

    monkeypatch.setattr(Writer, "_commit", counted)
    return seen


async def test_one_commit_stores_a_job_and_gives_it_to_the_worker_that_is_free(
    server: Core, commits: list[list[str]]
) -> None:
    worker = await idle(server)
    async with given_out(server):
        await server.submit()
        await becomes(worker.assigned, "it is given out")
        commits.clear()
        for count in range(2, 6):
            (job,) = await server.submit()
            await becomes(lambda count=count: len(worker.assigned()) == count, "it is given out")  # type: ignore[misc]
            if count < 5:
                await worker.start((job.job_id, 1))
                await worker.done(job.job_id, 1)
    assert ["insert", "claim"] in commits
    claims = [name for commit in commits for name in commit].count("claim")
    assert claims <= 5, "it is not claimed again when it is told of as stored"


async def test_people_are_told_in_the_order_of_what_happened(server: Core) -> None:
    heard: list[str] = []
    server.notify.listen(JobsComing, lambda hint: heard.append("coming"))
    server.notify.listen(JobsChanged, lambda hint: heard.extend(job.status for job in hint.jobs))
    worker = await idle(server)
    async with given_out(server):
        await server.submit()
        await becomes(worker.assigned, "it is given out")
        await becomes(lambda: len(heard) >= 3, "people are told")
    assert heard == ["coming", "queued", "assigned"]


async def test_the_worker_is_told_of_its_job_before_people_are(server: Core) -> None:
    told: list[bool] = []
    worker = await idle(server)
    server.notify.listen(
        JobsChanged, lambda hint: told.extend(bool(worker.assigned()) for job in hint.jobs if job.status == "assigned")
    )
    async with given_out(server):
        await server.submit()
        await becomes(lambda: told, "people are told")
    assert told == [True]


async def test_what_is_not_stored_is_given_to_nobody(server: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await idle(server)
    async with given_out(server):
        await server.submit()
        await becomes(worker.assigned, "it is given out")
        monkeypatch.setattr(server.store.jobs_write, "_has_room", lambda: False)
        with pytest.raises(Unavailable):
            await server.submit()
        monkeypatch.undo()
        await server.submit()
        await becomes(lambda: len(worker.assigned()) == 2, "the next one is given out")
    assert await server.reads.jobs.waiting_of(OWNER) == 0


async def test_with_several_workers_it_is_given_out_when_it_is_stored(server: Core) -> None:
    workers = [await idle(server, name) for name in ("a", "b")]
    async with given_out(server):
        for count in range(1, 5):
            await server.submit()
            await becomes(lambda count=count: given(workers) == count, "it is given out")  # type: ignore[misc]


async def test_a_worker_that_comes_while_a_job_is_being_stored_does_not_hide_it(
    server: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What several are to have is counted in the store, which does not have it yet: so it is news again afterwards."""
    first = await idle(server)
    await server.submit()
    await server.dispatch.give_out()
    later: list[Worker] = []
    insert = server.store.jobs_write.insert

    async def slow(jobs: Any, standing: Any) -> Any:
        standing()
        later.append(await idle(server, "later"))
        await server.dispatch.give_out()
        return await insert(jobs)

    monkeypatch.setattr(server.store.jobs_write, "insert", slow)
    await server.submit()
    await server.dispatch.give_out()
    assert given([first, *later]) == 2


def given(workers: Iterable[Worker]) -> int:
    return sum(len(worker.assigned()) for worker in workers)
