"""A worker of one's own making against a real server: it says what the test says, and has no heartbeat of its own."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.server import Running
from tests.support.speaker import Speaker, speaking
from tests.support.system import FAST, Server

LONG = FAST | {"LEASE_SEC": "60s", "HEARTBEAT_SEC": "20s"}
"""These workers send no heartbeats by themselves."""


def ended(job_id: str, attempt: int, exit_code: int, text: bytes = b"") -> dict[str, Any]:
    """A result, with all of its output in it."""
    inline = {"stdout": base64.b64encode(text).decode()}
    output = {"stdout": {"bytes": len(text)}, "stderr": {"bytes": 0}}
    return {"jobId": job_id, "attempt": attempt, "exitCode": exit_code, "inline": inline, "output": output}


@asynccontextmanager
async def spoken(server: Server, name: str, *held: tuple[str, int], slots: int = 1) -> AsyncIterator[Speaker]:
    """A worker that has registered under that name, with a spool of its own, and holds these attempts."""
    token = Running(server).shared(workerId=name)
    async with speaking(server.url, {"x-worker-token": token}) as speaker:
        await speaker.ask("register", {"slots": slots, "session": f"spool-{name}", "instanceId": name})
        await speaker.ask("heartbeat", {"jobs": [{"jobId": job_id, "attempt": n} for job_id, n in held]})
        yield speaker


async def assigned(speaker: Speaker) -> tuple[str, int]:
    (job,) = await speaker.told("assign")
    return job["jobId"], job["attempt"]


async def says(speaker: Speaker, op: str, item: dict[str, Any]) -> tuple[str | None, str | None]:
    """(what it is told, the code that goes with it); told None when the item failed."""
    (told,) = await speaker.ask(op, item)
    return told.get("tell"), told.get("code")
