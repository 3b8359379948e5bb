"""Jobs that were to start while their worker had no warden: those that nobody wants any more go back as they came."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cmdexec.protocol.messages import Assignment, CancelOrder, StopOrder
from tests.support.proc import children, said_of
from tests.support.waiting import becomes
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer, serving

COUNT = 3


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """While it is not there, no new warden becomes ready once the first has started."""
    path, python = tmp_path / "gate", tmp_path / "python"
    path.touch()
    python.write_text(f'#!/bin/sh\nuntil [ -e {path} ]; do /bin/sleep 0.02; done\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    yield path
    path.touch()


def wardens() -> list[int]:
    """Of this process."""
    return [pid for pid in children(os.getpid()) if b"warden" in said_of(pid)]


@asynccontextmanager
async def without_a_warden(folder: Path, gate: Path) -> AsyncIterator[tuple[WorkerServer, RunningWorker]]:
    """A worker whose warden was killed, and which was told to start some jobs since."""
    async with serving(folder, slots=COUNT + 1) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        (warden,) = wardens()
        gate.unlink()
        os.kill(warden, signal.SIGKILL)
        await becomes(lambda: wardens() not in ([], [warden]), "it starts another")
        command = f"echo $CMDEXEC_JOB_ID >> {folder}/ran"
        await server.assign(*(Assignment(job_id=job_id(n), attempt=1, command=command) for n in range(COUNT)))
        await server.until(lambda: len(server.of("start")) == COUNT, "they are to start")
        beats = len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats + 1, "it was heard that they may")
        yield server, worker


async def test_told_to_end_the_worker_begins_none_of_them(tmp_path: Path, gate: Path) -> None:
    async with without_a_warden(tmp_path, gate) as (server, worker):
        os.kill(os.getpid(), signal.SIGTERM)
        await server.until(lambda: len(server.of("released")) == COUNT, "all are given back, at once", within=6)
        assert {one.why for one in server.of("released")} == {"neverSpawned"}
        gate.touch()
        async with asyncio.timeout(10):
            assert await worker.task == 0
        assert not server.of("done")
    assert not (tmp_path / "ran").exists()


async def test_one_that_is_cancelled_or_stopped_is_no_failure_and_the_others_start(tmp_path: Path, gate: Path) -> None:
    async with without_a_warden(tmp_path, gate) as (server, _):
        await server.send("cancel", CancelOrder(job_id=job_id(0), attempt=1))
        await server.send("stop", StopOrder(job_id=job_id(1), attempt=1))
        await server.until(lambda: len(server.of("released")) == 2, "both are given back")
        assert {(one.job_id, one.why) for one in server.of("released")} == {
            (job_id(0), "neverSpawned"), (job_id(1), "neverSpawned"),
        }  # fmt: skip
        gate.touch()
        await server.assign(Assignment(job_id=job_id(9), attempt=1, command="echo one more"))
        results = await server.results(2)
        assert {(one.job_id, one.exit_code) for one in results} == {(job_id(2), 0), (job_id(9), 0)}
        assert (tmp_path / "ran").read_text().split() == [job_id(2)]
