"""Whoever owns the machine pauses the worker, or ends a job on it; and looks on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cmdexec.protocol.messages import Assignment
from cmdexec.worker.build import Worker
from cmdexec.worker.ending import Wishes
from cmdexec.worker.run import Watch, run_worker
from tests.support.waiting import until
from tests.support.worker import job_id, worker_settings
from tests.support.worker_server import SECRET, WorkerServer


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[WorkerServer, Worker, Wishes]]:
    """A worker that somebody runs and looks at, connected."""
    server, built, wishes = WorkerServer(), list[Worker](), Wishes()
    await server.open()
    settings = worker_settings(
        folder / "worker", server_url=server.url, worker_token_secret=SECRET, allow_host=True, slots=1,
        work_dir=folder / "jobs", kill_grace_sec=1.0,
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run_worker(settings, watch=Watch(wishes, built.append)))
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        yield server, built[0], wishes
        if not task.done():
            wishes.end()
    await server.close()


def job(number: int, command: str) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command)


async def test_paused_it_gives_back_what_comes_and_says_that_it_takes_none(tmp_path: Path) -> None:
    """The server hears of it before anything is given back, or it would give the same again."""
    async with watched(tmp_path) as (server, worker, _):
        gate = tmp_path / "gate"
        await server.assign(job(1, f"touch {tmp_path}/flag; until [ -e {gate} ]; do sleep 0.02; done"))
        await asyncio.to_thread(until, (tmp_path / "flag").exists, "it runs")
        await server.assign(job(2, "true"))
        await server.until(lambda: job_id(2) in [held.job_id for held in worker.attempts.named()], "it waits")
        worker.attempts.pause(True)
        await server.until(lambda: [one.why for one in server.of("released")] == ["handedBack"], "it is given back")
        farewell = next(at for at, (op, item) in enumerate(server.said) if op == "heartbeat" and item.draining)
        assert farewell < server.ops().index("released")
        await server.assign(job(4, "true"))
        await server.until(lambda: len(server.of("released")) == 2, "and so is what comes late")
        gate.touch()
        assert [done.exit_code for done in await server.results(1)] == [0], "what runs goes on"
        worker.attempts.pause(False)
        await server.until(lambda: not server.of("heartbeat")[-1].draining, "it says that, too")
        await server.assign(job(3, "exit 3"))
        assert (await server.results(2))[1].exit_code == 3


async def test_a_pause_is_no_farewell(tmp_path: Path) -> None:
    """That the server has heard of a pause does not count as having heard that the worker ends."""
    async with watched(tmp_path) as (server, worker, wishes):
        worker.attempts.pause(True)
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it is paused")
        worker.attempts.pause(False)
        await server.until(lambda: not server.of("heartbeat")[-1].draining, "it goes on")
        assert not worker.attempts.excused
        wishes.no_more()
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it drains")
        await server.until(lambda: worker.attempts.excused, "and waits until that is heard")


async def test_a_job_that_its_owner_ends_is_reported_as_that(tmp_path: Path) -> None:
    async with watched(tmp_path) as (server, worker, _):
        await server.assign(job(1, f"touch {tmp_path}/flag; exec sleep 300"))
        await asyncio.to_thread(until, (tmp_path / "flag").exists, "it runs")
        (key,) = worker.attempts.table
        assert worker.attempts.evict(key)
        (done,) = await server.results(1)
        assert (done.reason, done.message, done.left) == ("worker", "ended by the owner of that machine", 0)
        assert not worker.attempts.evict(key)
        assert not worker.attempts.evict("nothing.1")


@pytest.mark.parametrize("command", ["trap 'exit 0' TERM; touch {0}/flag; while :; do sleep 0.02; done"])
async def test_one_that_ends_well_all_the_same_has_ended_well(tmp_path: Path, command: str) -> None:
    async with watched(tmp_path) as (server, worker, _):
        await server.assign(job(1, command.format(tmp_path)))
        await asyncio.to_thread(until, (tmp_path / "flag").exists, "it runs")
        (key,) = worker.attempts.table
        worker.attempts.evict(key)
        (done,) = await server.results(1)
        assert (done.reason, done.exit_code) == (None, 0)
