"""A worker counts its lease from when it *sent* the renewal that was acknowledged: a slow network gives it no more time
than its server gives it (promise 2)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cmdexec.protocol.messages import Assignment
from tests.support.proc import alive
from tests.support.waiting import becomes
from tests.support.worker import job_id
from tests.support.worker_server import serving

LEASE = 2.0
DELAY = 1.0


async def test_an_answer_that_took_long_lengthens_no_lease(tmp_path: Path) -> None:
    """The last heartbeat that is answered at all is answered late, within the lease."""
    loop = asyncio.get_running_loop()
    async with serving(tmp_path) as (server, _):
        server.lease_sec = LEASE
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        command = f"touch {tmp_path}/began; exec sleep 60"
        await server.assign(Assignment(job_id=job_id(1), attempt=1, command=command, on_lost="requeue"))
        await server.until(lambda: server.of("start") and (tmp_path / "began").exists(), "it runs")
        take, kept = server._text, list[tuple[float, Any, str]]()

        async def keep(ws: Any, text: str) -> None:
            if '"op":"heartbeat"' in text:
                kept.append((loop.time(), ws, text))
            else:
                await take(ws, text)

        server._text = keep  # type: ignore[method-assign]
        await server.until(lambda: kept and loop.time() > kept[0][0] + DELAY, "a heartbeat waits for its answer")
        came_at, ws, text = kept[0]
        await take(ws, text)
        await server.until(lambda: server.of("released"), "the job is given back")
        assert loop.time() < came_at + LEASE, "before the server, which counts from when it heard it, gives it away"
        assert server.of("released")[0].why == "handedBack"
        server._text = take  # type: ignore[method-assign]


@pytest.mark.parametrize("where", ["in an answer to a heartbeat", "at the next connection"])
async def test_a_lease_that_has_become_shorter_ends_sooner(tmp_path: Path, where: str) -> None:
    """The server was started anew with a smaller LEASE_SEC, and is gone again before it has said more than that."""
    loop = asyncio.get_running_loop()
    async with serving(tmp_path) as (server, _):
        server.lease_sec = 60.0
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        pid = tmp_path / "pid"
        command = f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60"
        await server.assign(Assignment(job_id=job_id(1), attempt=1, command=command, on_lost="requeue"))
        await becomes(pid.exists, "it runs")
        job = int(pid.read_text())
        usual, heard_at = server.say, list[float]()

        def once(op: str, item: Any) -> Any:
            if op == "heartbeat" and (heard_at or where != "in an answer to a heartbeat"):
                return None
            if op == "heartbeat" or (op == "register" and not heard_at):
                heard_at.append(loop.time())
            return usual(op, item)

        server.lease_sec, server.say = LEASE, once
        if where == "at the next connection":
            server.cut()
        await server.until(lambda: heard_at, "it says how long leases are now")
        await becomes(lambda: not alive(job), "the job has ended", LEASE + 1)
        assert loop.time() < heard_at[0] + LEASE, "before the server, which counts from then, gives it away"
        server.say = usual
