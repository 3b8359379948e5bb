"""The wall clock of a machine jumps while a job runs: no lease is judged by it, no time limit hit, nothing lost.

Server and worker run in this process, the job as everywhere in its own: so they have a clock that can be set.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cmdexec.clock import SystemClock
from cmdexec.ids import Ids
from cmdexec.runtime import Runtime, system_runtime
from cmdexec.server.folder import RUNTIME
from cmdexec.server.run import serve
from cmdexec.settings.load import make
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.run import run_worker
from tests.support.api import Api
from tests.support.waiting import becomes, stays

SECRET = "Zr4&uPe6*Hj1!Bs8@Wt3$Ln9%Qa5^Dk2#"
LEASE_SEC = 1.2
HOUR_MS = 3_600_000


class SetClock(SystemClock):
    """The machine's clock, but for the wall clock, which somebody sets."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def now(self) -> int:
        return super().now() + self.ahead_ms


@dataclass
class Both:
    """A server and its worker, on one machine."""

    clock: SetClock
    api: Api
    tasks: list["asyncio.Task[int]"]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(self.api.ask, method, path, body)

    async def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask("GET", f"/api/jobs/status?jobId={job_id}")
        return found

    async def online(self) -> bool:
        return [one["state"] for one in (await self.ask("GET", "/api/workers/list"))["workers"]] == ["online"]


def runtime_on(clock: SetClock, name: str) -> Runtime:
    runtime = system_runtime(name)
    return replace(runtime, clock=clock, ids=Ids(clock, runtime.secret_bytes))


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[Both]:
    clock, stop, up = SetClock(), asyncio.Event(), asyncio.Event()
    short = {"heartbeat_sec": 0.2, "worker_token_secret": SECRET}
    settings = make(
        ServerSettings, data_dir=folder / "server", port=0, lease_sec=LEASE_SEC, lease_sweep_sec=0.1,
        lost_timeout_sec=2, disk_reserve_bytes=0, **short,
    )  # fmt: skip
    server = asyncio.create_task(serve(settings, runtime_on(clock, "server"), ready=lambda _: up.set(), stop=stop))
    await asyncio.wait_for(up.wait(), 20)
    told = json.loads((folder / "server" / RUNTIME).read_text())
    mine = make(
        WorkerSettings, data_dir=folder / "worker", server_url=told["url"], allow_host=True, reconnect_min_sec=0.05,
        reconnect_max_sec=0.2, work_dir=folder / "jobs", **short,
    )  # fmt: skip
    worker = asyncio.create_task(run_worker(mine, runtime_on(clock, "worker"), stop=stop))
    try:
        yield Both(clock, Api(told["url"], told["token"]), [server, worker])
        stop.set()
        assert await asyncio.wait_for(asyncio.gather(server, worker), 30) == [0, 0]
    finally:
        for task in (worker, server):
            task.cancel()
        await asyncio.wait([server, worker])


@pytest.mark.parametrize("jumps", [(HOUR_MS, -HOUR_MS), (-HOUR_MS, HOUR_MS)], ids=["ahead and back", "back and ahead"])
async def test_a_running_job_goes_on_while_the_clock_jumps(tmp_path: Path, jumps: tuple[int, int]) -> None:
    async with both(tmp_path) as here:
        until_told = f"echo begun; until test -e {tmp_path}/end; do sleep 0.02; done; echo ended"
        job = await here.ask("POST", "/api/jobs/create", {"command": until_told, "timeoutSec": 60})
        job_id = job["jobId"]
        began = here.clock.elapsed()

        async def running() -> bool:
            now = await here.job(job_id)
            return (now["status"], now["attempt"], now["run"]) == ("running", 1, 1)

        await _becomes(running, "the job runs")
        await _stays(running, LEASE_SEC + 0.3 - (here.clock.elapsed() - began))  # till then no lease is judged at all
        for jump in jumps:
            here.clock.ahead_ms += jump
            await _stays(running, LEASE_SEC + 0.3)
            assert await here.online()
        (tmp_path / "end").touch()

        async def completed() -> bool:
            return bool((await here.job(job_id))["status"] == "completed")

        await _becomes(completed, "the job completes")
        ended = await here.job(job_id)
        assert (ended["exitCode"], ended["attempt"], ended["output"]["stdout"]["whole"]) == (0, 1, True)


async def test_jobs_run_on_a_machine_that_starts_in_1970_and_learns_the_time_later(tmp_path: Path) -> None:
    """Without a battery for the clock. Whoever logs in then is judged by the time that the server believes."""
    async with both(tmp_path) as here:
        real = here.clock.ahead_ms
        here.clock.ahead_ms = real - SystemClock().now() + 5000
        first = (await here.ask("POST", "/api/jobs/create", {"command": "echo first"}))["jobId"]
        assert (await here.job(first))["createdAt"].startswith("1970-01-01T00:00:0")
        await _becomes(lambda: _ended(here, first), "a job of 1970 ends")
        here.clock.ahead_ms = real
        second = (await here.ask("POST", "/api/jobs/create", {"command": "echo second"}))["jobId"]
        await _becomes(lambda: _ended(here, second), "a job of today ends")
        assert [one for one in (await here.job(first), await here.job(second)) if one["status"] != "completed"] == []


async def _ended(here: Both, job_id: str) -> bool:
    return (await here.job(job_id))["finishedAt"] is not None


async def _becomes(fact: Any, what: str, within: float = 15.0) -> None:
    seen = asyncio.Event()

    async def look() -> None:
        while not await fact():
            pass
        seen.set()

    task = asyncio.create_task(look())
    try:
        await becomes(lambda: seen.is_set() or task.done(), what, within)
        await task
    finally:
        task.cancel()


async def _stays(fact: Any, during: float) -> None:
    wrong = asyncio.Event()

    async def look() -> None:
        while await fact():
            pass
        wrong.set()

    task = asyncio.create_task(look())
    try:
        await stays(lambda: not (wrong.is_set() or task.done()), "it stays so", during)
    finally:
        task.cancel()
