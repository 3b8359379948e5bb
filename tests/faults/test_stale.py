"""A worker that speaks for an attempt which holds its job no more changes nothing, whatever it says and how late."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking
from tests.support.system import FAST, Server, ends

LONG = FAST | {"LEASE_SEC": "60s", "HEARTBEAT_SEC": "20s"}
"""These workers send no heartbeats by themselves."""


def ended(job_id: str, attempt: int, exit_code: int, text: bytes = b"") -> dict[str, Any]:
    """A result, with all of its output in it."""
    inline = {"stdout": base64.b64encode(text).decode()}
    output = {"stdout": {"bytes": len(text)}, "stderr": {"bytes": 0}}
    return {"jobId": job_id, "attempt": attempt, "exitCode": exit_code, "inline": inline, "output": output}


@asynccontextmanager
async def worker(server: Server, name: str, *held: tuple[str, int]) -> AsyncIterator[Speaker]:
    """A worker of one slot whose spool is called as it is."""
    token = Running(server).shared(workerId=name)
    async with speaking(server.url, {"x-worker-token": token}) as speaker:
        await speaker.ask("register", {"slots": 1, "session": f"spool-{name}", "instanceId": name})
        await speaker.ask("heartbeat", {"jobs": [{"jobId": job_id, "attempt": n} for job_id, n in held]})
        yield speaker


async def assigned(speaker: Speaker) -> tuple[str, int]:
    (job,) = await speaker.told("assign")
    return job["jobId"], job["attempt"]


async def says(speaker: Speaker, op: str, item: dict[str, Any]) -> tuple[str, str | None]:
    (told,) = await speaker.ask(op, item)
    return told["tell"], told.get("code")


def stands(api: Api, job_id: str) -> tuple[str, int, int | None]:
    job = api.job(job_id)
    return job["status"], job["attempt"], job["exitCode"]


async def test_a_late_result_of_an_older_attempt_of_the_same_worker_does_not_count(tmp_path: Path) -> None:
    """Neither while the newer one waits, nor while it runs, nor after kill -9 of the server, nor when it has ended."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "true"})["jobId"]
        late, stale = ended(job_id, 1, 9, b"old"), ("stop", "stale_attempt")
        async with worker(server, "w") as w:
            assert await assigned(w) == (job_id, 1)
            assert await says(w, "start", {"jobId": job_id, "attempt": 1}) == ("go", None)
            assert await says(w, "released", {"jobId": job_id, "attempt": 1, "why": "neverSpawned"}) == ("ok", None)
            assert await assigned(w) == (job_id, 2)
            assert await says(w, "done", late) == stale
            assert stands(api, job_id) == ("assigned", 2, None)
            assert await says(w, "start", {"jobId": job_id, "attempt": 2}) == ("go", None)
            assert await says(w, "done", late) == stale
            assert await says(w, "start", {"jobId": job_id, "attempt": 1}) == stale
            assert stands(api, job_id) == ("running", 2, None)
        server.kill9()
        server.start()
        api = server.api()
        async with worker(server, "w", (job_id, 2)) as w:
            assert await says(w, "done", late) == stale
            assert stands(api, job_id) == ("running", 2, None)
            assert await says(w, "done", ended(job_id, 2, 0, b"new")) == ("ok", None)
            assert await says(w, "done", late) == stale
            assert await says(w, "done", ended(job_id, 2, 5)) == ("stop", "conflict")
            assert await says(w, "done", ended(job_id, 2, 0, b"new")) == ("ok", None), "the same again"
        assert stands(api, job_id) == ("completed", 2, 0)
        assert api.output(job_id) == b"new"


async def test_another_workers_result_does_not_count(tmp_path: Path) -> None:
    """Though it names the attempt that holds the job."""
    server = Server(tmp_path, **LONG).start()
    with ends(server):
        api = server.api()
        job_id = api.create({"command": "true"})["jobId"]
        async with worker(server, "w") as holder, worker(server, "other") as rival:
            assert await assigned(holder) == (job_id, 1)
            assert await says(rival, "start", {"jobId": job_id, "attempt": 1}) == ("stop", "stale_attempt")
            assert await says(holder, "start", {"jobId": job_id, "attempt": 1}) == ("go", None)
            assert await says(rival, "done", ended(job_id, 1, 9, b"foreign")) == ("stop", "stale_attempt")
            assert stands(api, job_id) == ("running", 1, None)
            assert await says(holder, "done", ended(job_id, 1, 0, b"own")) == ("ok", None)
        assert stands(api, job_id) == ("completed", 1, 0)
        assert api.output(job_id) == b"own"
