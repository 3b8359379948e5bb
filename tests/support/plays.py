"""A server with one job that a test plays, and `cmdexec run` as a real process against it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.protocol.requests import FollowAttempt, FollowEnd, FollowOutput
from tests.support.cli import Command, Result
from tests.support.cli import command as process
from tests.support.scripted import JOB_ID, TOKEN, begun, job

UNKNOWN = {"error": {"code": "unauthorized", "message": "This token is not known.", "mend": "Log in."}}

Part = bytes | Callable[["Plays"], Awaitable[bytes]]


def output(stream: str, offset: int, data: bytes) -> bytes:
    piece = FollowOutput(stream=stream, offset=offset, data=data)  # type: ignore[arg-type]
    return b"event: output\ndata: " + msgspec.json.encode(piece) + b"\n\n"


def attempt(number: int, run: int, why: str | None = None) -> bytes:
    return b"event: attempt\ndata: " + msgspec.json.encode(FollowAttempt(attempt=number, run=run, why=why)) + b"\n\n"


def end(status: str = "completed", **fields: Any) -> bytes:
    return b"event: end\ndata: " + msgspec.json.encode(FollowEnd(job=job(status, **fields))) + b"\n\n"


async def until_cancelled(server: "Plays") -> bytes:
    """As a job does that ends by its cancel."""
    await server.cancelled.wait()
    return end("cancelled", confirmed=True)


async def never(_: "Plays") -> bytes:
    await asyncio.Event().wait()
    return b""


class Plays:
    """A server with one job, whose output and end are `parts`.

    good_for for how many followers the token is good
    points   what each follower asked to go on after
    stored   of a job that has begun: its attempt, and the bytes of both streams; None of one that has not
    """

    def __init__(self, *parts: Part) -> None:
        self.parts = parts
        self.created: dict[str, Any] = {}
        self.points: list[str | None] = []
        self.good_for = sys.maxsize
        self.mend: str | None = None
        self.phases: list[str | None] = []
        self.stored: tuple[int, int, int] | None = None
        self.cancelled = asyncio.Event()
        self.looks, self.looked = 0, asyncio.Event()
        app = web.Application()
        app.router.add_post("/api/jobs/create", self._create)
        app.router.add_post("/api/jobs/cancel", self._cancel)
        app.router.add_get("/api/jobs/status", self._status)
        app.router.add_get(f"/api/jobs/{JOB_ID}/output", self._output)
        self.server = TestServer(app)
        self.takes_jobs = asyncio.Event()
        self.takes_jobs.set()
        self.asked = asyncio.Event()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response(UNKNOWN, status=401)
        self.created = await request.json()
        self.asked.set()
        await self.takes_jobs.wait()
        return web.Response(body=msgspec.json.encode(job("queued")), content_type="application/json")

    async def _status(self, _: web.Request) -> web.StreamResponse:
        self.looks += 1
        if self.looks == 4:
            self.looked.set()
        waits = ["no worker is connected", "no worker is connected", "next on worker w", None]
        view = job("queued", waiting_for=waits[min(self.looks, 4) - 1], waiting_mend=self.mend)
        if self.phases:
            view = job("running", phase=self.phases[min(self.looks, len(self.phases)) - 1])
        if self.stored is not None:
            view = begun(*self.stored)
        return web.Response(body=msgspec.json.encode(view), content_type="application/json")

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        assert (await request.json())["jobId"] in ([JOB_ID], JOB_ID)
        self.cancelled.set()
        return web.json_response({"jobs": [{"jobId": JOB_ID, "outcome": "asked", "status": "running"}]})

    async def _output(self, request: web.Request) -> web.StreamResponse:
        self.points.append(request.headers.get("Last-Event-ID"))
        if len(self.points) > self.good_for:
            return web.json_response(UNKNOWN, status=401)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in self.parts:
            await response.write(part if isinstance(part, bytes) else await part(self))
        return response

    @asynccontextmanager
    async def running(
        self, folder: Path, *words: str, command: str = "run", token: str = TOKEN, **more: Any
    ) -> AsyncIterator[Command]:
        await self.server.start_server()
        given = {"SERVER_URL": self.url, "CMDEXEC_TOKEN": token}
        try:
            with process(folder, command, *(words or ("--", "true")), loaded=True, **given, **more) as started:
                yield started
        finally:
            await self.server.close()

    async def ran(self, folder: Path, *words: str, **more: Any) -> Result:
        async with self.running(folder, *words, **more) as started:
            return await asyncio.to_thread(started.ended)
