"""When a worker that ends goes: when its server knows all that it has to say, and that it takes no more jobs. A server
that is away is waited for, for a while."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.link.socket import Socket
from cmdexec.protocol.messages import Assignment
from tests.support.waiting import becomes, stays
from tests.support.worker import job_id
from tests.support.worker_server import RunningWorker, WorkerServer, serving


def job(number: int, command: str) -> Assignment:
    return Assignment(job_id=job_id(number), attempt=1, command=command)


def term() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def ended_while_away(server: WorkerServer, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job that runs, the server that goes, and the job that ends then."""
    caplog.set_level("INFO")
    await server.until(lambda: server.of("heartbeat"), "it is connected")
    began, gate = folder / "began", folder / "gate"
    await server.assign(job(1, f"touch {began}; until [ -e {gate} ]; do sleep 0.02; done; echo precious"))
    await becomes(began.exists, "it runs")
    server.refuse = 503
    server.cut()
    await becomes(lambda: "not connected" in caplog.text, "the worker has lost its server")
    gate.touch()


@pytest.mark.parametrize("why", ["told to end", "by itself"])
async def test_a_result_that_came_while_the_server_was_away_is_brought_to_it(
    tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, max_jobs=1 if why == "by itself" else None) as (server, worker):
        await ended_while_away(server, tmp_path, caplog)
        if why == "told to end":
            term()
        await becomes(lambda: "the server is away, and does not know all yet" in caplog.text, "it waits, and says so")
        await stays(lambda: not worker.task.done(), "it is there", during=0.2)
        server.refuse = None
        assert (await server.results(1))[0].exit_code == 0
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert server.bytes_of(job_id(1)) == b"precious\n"


@pytest.mark.parametrize(("terms", "bound"), [(1, "deliver_sec"), (2, "hand_back_sec"), (3, None)])
async def test_it_waits_so_long_and_then_says_what_it_leaves_and_where(
    tmp_path: Path, terms: int, bound: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    patience = {"deliver_sec": 3600.0, "hand_back_sec": 3600.0} | ({} if bound is None else {bound: 0.3})
    async with serving(tmp_path, **patience) as (server, worker):
        await ended_while_away(server, tmp_path, caplog)
        term()
        await becomes(lambda: "the server is away, and does not know all yet" in caplog.text, "it waits")
        for _ in range(terms - 1):
            term()
            await asyncio.sleep(0)
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert "the server does not know all yet" in caplog.text
        (said,) = [one for one in caplog.records if one.getMessage().startswith("ending; the server")]
        assert str(tmp_path / "worker") in str(vars(said))
        server.refuse = None
        again = RunningWorker(server, tmp_path)
        assert (await server.results(1))[0].exit_code == 0
        await again.end()


async def test_a_server_that_comes_and_goes_and_takes_nothing_is_not_waited_for_anew_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, deliver_sec=1.0, reconnect_max_sec=0.2) as (server, worker):
        await ended_while_away(server, tmp_path, caplog)
        before = len(server.of("register"))

        def drops(op: str, item: Any) -> Any:
            if op == "heartbeat" and server.ws is not None:
                asyncio.get_running_loop().call_later(0.01, server.cut)
            return None if op == "done" else server.usual(op, item)

        server.say, server.refuse = drops, None
        await server.until(lambda: len(server.of("register")) > before + 1, "it comes and goes")
        term()
        assert await asyncio.wait_for(worker.task, 8) == 0
        assert "ending; the server does not know all yet" in caplog.text


async def test_it_stays_until_the_server_has_heard_that_it_takes_no_more(tmp_path: Path) -> None:
    """Else a job that was on its way to it would wait for its lease."""
    async with serving(tmp_path) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        deaf = True

        def say(op: str, item: Any) -> Any:
            return None if deaf and op == "heartbeat" and item.draining else server.usual(op, item)

        server.say = say
        term()
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it says so")
        await server.assign(job(1, "echo x"))
        await server.until(lambda: server.of("released"), "what was on its way is given back")
        assert server.of("released")[0].why == "handedBack"
        await stays(lambda: not worker.task.done(), "it is there", during=0.2)
        deaf = False
        assert await asyncio.wait_for(worker.task, 5) == 0


async def test_it_stays_as_long_as_something_given_before_that_may_be_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP the answer to a request for jobs may come after that to a heartbeat."""
    monkeypatch.setattr(Socket, "settled", False)
    async with serving(tmp_path) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        term()
        await server.until(lambda: server.of("heartbeat")[-1].draining, "it says so")
        await stays(lambda: not worker.task.done(), "it is there", during=0.2)
        await server.assign(job(1, "echo x"))
        await server.until(lambda: server.of("released"), "what was on its way is given back")
        monkeypatch.setattr(Socket, "settled", True)
        assert await asyncio.wait_for(worker.task, 5) == 0


async def test_told_to_end_while_it_connects_it_says_so_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The list on its way says nothing of that yet; the next one would be said much later."""
    async with serving(tmp_path, hand_back_sec=60.0) as (server, worker):
        await ended_while_away(server, tmp_path, caplog)
        before, take = len(server.of("heartbeat")), server._text
        server.heartbeat_sec, server.refuse = 60.0, None

        async def ending(ws: Any, text: str) -> None:
            if '"op":"heartbeat"' in text:
                server._text = take  # type: ignore[method-assign]
                term()
                await becomes(lambda: "ending" in caplog.text, "it has heard that")
            await take(ws, text)

        server._text = ending  # type: ignore[method-assign]
        assert await asyncio.wait_for(worker.task, 20) == 0
        assert [bool(beat.draining) for beat in server.of("heartbeat")[before:]] == [False, True]


async def test_it_does_not_stay_for_ever_for_that(tmp_path: Path) -> None:
    async with serving(tmp_path, hand_back_sec=0.3) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.say = lambda op, item: None if op == "heartbeat" else server.usual(op, item)
        term()
        assert await asyncio.wait_for(worker.task, 5) == 0


async def test_one_that_reaches_no_server_was_not_idle_but_failed(tmp_path: Path) -> None:
    server = WorkerServer()
    await server.open()
    url = server.url
    await server.close()
    worker = RunningWorker(server, tmp_path, server_url=url, idle_timeout_sec=0.1, connect_timeout_sec=0.5)
    with pytest.raises(CmdexecError, match=r"without its server for 0\.5 s.*cannot be reached") as raised:
        await asyncio.wait_for(worker.task, 10)
    assert raised.value.code == "server_away"


async def test_the_time_that_the_server_was_away_counts_as_no_idle_time(tmp_path: Path) -> None:
    async with serving(tmp_path, idle_timeout_sec=0.5, connect_timeout_sec=30.0) as (server, worker):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        server.refuse = 503
        server.cut()
        await stays(lambda: not worker.task.done(), "it waits for its server", during=0.7)
        server.refuse, beats = None, len(server.of("heartbeat"))
        await server.until(lambda: len(server.of("heartbeat")) > beats, "it is connected again")
        await stays(lambda: not worker.task.done(), "its time begins anew", during=0.25)
        assert await asyncio.wait_for(worker.task, 5) == 0


async def test_what_it_could_not_tell_keeps_an_idle_worker_no_longer_than_it_may_wait_to_tell_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fast = {"idle_timeout_sec": 0.2, "connect_timeout_sec": 0.3, "deliver_sec": 0.3}
    async with serving(tmp_path, **fast) as (server, worker):
        await ended_while_away(server, tmp_path, caplog)
        assert await asyncio.wait_for(worker.task, 10) == 0
        assert "ending; the server does not know all yet" in caplog.text
