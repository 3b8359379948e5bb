"""However a worker is told to end, it ends, and no job is to blame for that."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.link.socket import Close
from cmdexec.protocol.messages import Assignment
from tests.support.waiting import until
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer, serving, told

STUBBORN = "trap '' TERM; touch {flag}; while :; do sleep 0.02; done"

STEPS = ["ending", "handing back what runs"]


def job(number: int, command: str, **more: object) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command, **more)  # type: ignore[arg-type]


async def stubborn(server: WorkerServer, folder: Path, **more: object) -> None:
    """Have a job running that does not end when it is told to."""
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    flag = folder / "flag"
    await server.assign(job(1, STUBBORN.format(flag=flag), **more))
    await asyncio.to_thread(until, flag.exists, "it runs")


async def told_to_end(server: WorkerServer, times: int, which: signal.Signals = signal.SIGTERM) -> None:
    """So often; each is noticed before the next."""
    for _ in range(times):
        os.kill(os.getpid(), which)
        for _ in range(20):
            await asyncio.sleep(0)


async def ended(worker: RunningWorker, within: float) -> None:
    async with asyncio.timeout(within):
        assert await worker.task == 0


async def test_a_closed_terminal_drains_it_and_twice_is_no_hurry(
    hang_up: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving(tmp_path, kill_grace_sec=0.2) as (server, worker):
        await stubborn(server, tmp_path)
        for which, steps in ((signal.SIGHUP, 1), (signal.SIGHUP, 1), (signal.SIGTERM, 2)):
            await told_to_end(server, 1, which)
            said = [one.getMessage() for one in caplog.records]
            assert [one for one in said if one in STEPS] == STEPS[:steps]
        await ended(worker, 15)


async def test_that_it_drains_is_said_before_what_it_gives_back(tmp_path: Path) -> None:
    """Else the server hands the same job to it again and again."""
    async with serving(tmp_path, slots=1) as (server, worker):
        server.heartbeat_sec = 60
        await stubborn(server, tmp_path)
        await server.assign(job(2, "echo x"), job(3, "echo x"))
        beats = len(server.of("heartbeat"))
        await told_to_end(server, 1)
        await server.until(lambda: len(server.of("released")) == 2, "both are given back")
        assert len(server.of("heartbeat")) > beats
        ops = [(op, getattr(item, "draining", None)) for op, item in server.said]
        assert ops.index(("heartbeat", True)) < ops.index(("released", None))
        await told_to_end(server, 2)
        await ended(worker, 10)


async def test_a_second_term_gives_no_job_more_time_than_the_worker_has(tmp_path: Path) -> None:
    async with serving(tmp_path, kill_grace_sec=0.2) as (server, worker):
        await stubborn(server, tmp_path, kill_grace_sec=3600.0)
        await told_to_end(server, 2)
        await ended(worker, 10)
        assert [one.why for one in server.of("released")] == ["handedBack"]


async def test_that_holds_also_for_a_job_that_is_being_cancelled(tmp_path: Path) -> None:
    async with serving(tmp_path, kill_grace_sec=0.2) as (server, worker):
        await stubborn(server, tmp_path, kill_grace_sec=3600.0)
        await server.send("cancel", job(1, ""))
        await told_to_end(server, 2)
        await ended(worker, 10)
        assert [one.reason for one in server.of("done")] == ["cancelled"]


async def test_a_third_term_waits_for_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, kill_grace_sec=3600.0) as (server, worker):
        await stubborn(server, tmp_path)
        await told_to_end(server, 3)
        await ended(worker, 10)
        assert [one.why for one in server.of("released")] == ["handedBack"]


@pytest.mark.parametrize(("hand_back_sec", "terms"), [(0.3, 2), (3600.0, 3)])
async def test_a_server_that_takes_nothing_does_not_keep_it_for_ever(
    tmp_path: Path, hand_back_sec: float, terms: int
) -> None:
    """It has a while after a second TERM, and none after a third."""
    async with serving(tmp_path, hand_back_sec=hand_back_sec) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        usual = server.say
        server.say = lambda op, item: told(item, "again") if op == "done" else usual(op, item)
        await server.assign(job(1, "exit 3"))
        await server.until(lambda: server.of("done"), "its result is said")
        await told_to_end(server, 1)
        said = len(server.of("done"))
        await server.until(lambda: len(server.of("done")) > said + 2, "it goes on trying")
        assert not worker.task.done()
        await told_to_end(server, terms - 1)
        await ended(worker, 5)
        server.say, said = usual, len(server.of("done"))
        again = RunningWorker(server, tmp_path)
        await server.until(lambda: len(server.of("done")) > said, "the spool has kept it")
        assert server.of("done")[-1].exit_code == 3
        await again.end()


@pytest.mark.parametrize("fault", ["replaced", "broken"])
async def test_when_it_falls_its_jobs_are_handed_back_and_not_blamed(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (server, worker):
        await stubborn(server, tmp_path)
        if fault == "replaced":
            assert server.ws is not None
            await server.ws.close(code=Close.REPLACED)
            with pytest.raises(CmdexecError, match="taken its place"):
                await worker.task
        else:
            broken = RuntimeError("a bug of ours")
            with monkeypatch.context() as context:
                context.setattr("cmdexec.worker.spool.spool.Spool.turn", raises(broken))
                await server.assign(job(2, "head -c 100000 /dev/zero"))
                with pytest.raises(ExceptionGroup):
                    await worker.task
        again = RunningWorker(server, tmp_path)
        released = await server.until(
            lambda: [one for one in server.of("released") if one.job_id == job_id(1)], "it is told of"
        )
        assert released[0].why == "handedBack"
        assert [one for one in server.of("done") if one.job_id == job_id(1)] == []
        await again.end()


def raises(wrong: Exception) -> Any:
    async def turn(*_: object) -> None:
        raise wrong

    return turn
