"""A worker counts its lease from when it *sent* the renewal that was acknowledged: a slow network gives it no more time
than its server gives it (promise 2)."""

import asyncio
from pathlib import Path
from typing import Any

from cmdexec.protocol.messages import Assignment
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
