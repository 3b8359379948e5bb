"""A server whose jobs a test ends by hand, and whose ends people's programs may watch over a socket, or may not."""

import asyncio
import json as plain
import random
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Literal

import msgspec
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from cmdexec.client import Access, Client
from cmdexec.client.waiting import ENDS
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make
from tests.support.scripted import TOKEN, job

Way = Literal["open", "refused", "deaf", "away", "unknown"]
"""What becomes of sockets. deaf: they open, and nothing is answered. away: no request is answered either. unknown: the
caller is, by now, for sockets and requests."""

Submitting = Literal["taken", "unknown", "unanswered", "cut", "refused", "busy"]
"""What becomes of jobs that are submitted over sockets, all but `taken` by not being stored. unknown: the server is of
before they could be. cut: the socket ends. busy: it is to be sent again in a second."""


class Watched:
    """`async with Watched() as client`.

    jobs      id → status; a job that is not here is unknown
    looks     ids that were asked after over HTTP, call by call
    sockets   those that are open
    watching  who watches what, by socket; `most`: the most that any watched at once
    said      frames that were said over sockets: what, and how many jobs
    again     the job that the next submission is one more of
    hold      answers to submissions wait for it, and nothing else does
    submitted keys of what was submitted over a socket; posted: by a request
    """

    def __init__(self, way: Way = "open", rng: random.Random | None = None, **settings: object) -> None:
        self.way = way
        self.jobs: dict[str, str] = {}
        self.looks: list[list[str]] = []
        self.watching: dict[web.WebSocketResponse, set[str]] = {}
        self.opened = self.most = 0
        self.said: list[tuple[str, int]] = []
        self.submitting: Submitting = "taken"
        self.again: str | None = None
        self.hold: asyncio.Event | None = None
        self._held = asyncio.TaskGroup()
        self.submitted: list[str] = []
        self.posted: list[str] = []
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/api/jobs/status", self._status)
        app.router.add_post("/api/jobs/create", self._create)
        self.server = TestServer(app)
        fast = {"retry_first_sec": "10ms", "retry_max_sec": "50ms", "patience_sec": "5s"}
        runtime = system_runtime("test", 1)
        self._runtime = runtime if rng is None else replace(runtime, rng=rng)
        self.client: Client | None = None
        self._settings = make(ClientSettings, **{**fast, **settings})

    async def __aenter__(self) -> Client:
        await self._held.__aenter__()
        await self.server.start_server(max_line_size=16 * 1024)
        access = Access(str(self.server.make_url("")).rstrip("/"), TOKEN)
        self.client = Client(lambda: access, settings=self._settings, runtime=self._runtime)
        return await self.client.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        assert self.client is not None
        await self.client.__aexit__()
        self.client.runtime.threads.close()
        await self._held.__aexit__(None, None, None)
        await self.server.close()

    async def end(self, *job_ids: str, status: str = "completed") -> None:
        """End jobs, and tell whoever watches them."""
        for job_id in job_ids:
            self.jobs[job_id] = status
        for socket, watched in tuple(self.watching.items()):
            if told := [job_id for job_id in job_ids if job_id in watched]:
                await self._tell(socket, told)

    async def cut(self) -> None:
        for socket in tuple(self.watching):
            await socket.close(code=1001)

    async def _tell(self, socket: web.WebSocketResponse, job_ids: list[str]) -> None:
        self.watching[socket].difference_update(job_ids)
        views = [self._view(job_id) for job_id in job_ids]
        await socket.send_str(msgspec.json.encode({"op": "job", "items": views}).decode())

    def _view(self, job_id: str) -> Any:
        return job(self.jobs[job_id], job_id=job_id)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        if self.way == "away":
            request.transport.abort()
            return web.Response()
        job_ids = request.query.getall("jobId")
        self.looks.append(job_ids)
        if self.way == "unknown":
            return web.json_response({"error": {"code": "unauthorized", "message": "The login has ended."}}, status=401)
        for job_id in job_ids:
            if job_id not in self.jobs:
                refusal = {"error": {"code": "not_found", "message": f"There is no job {job_id}.", "field": "jobId"}}
                return web.json_response(refusal, status=404)
        views = [self._view(job_id) for job_id in job_ids]
        body = msgspec.json.encode(views[0] if len(views) == 1 else {"jobs": views})
        return web.Response(body=body, content_type="application/json")

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.posted.append(request.headers["Idempotency-Key"])
        if self.submitting == "refused":
            refusal = {"error": {"code": "invalid_field", "message": "No.", "field": "command"}}
            return web.json_response(refusal, status=400)
        return web.Response(body=msgspec.json.encode(self._view(self._new())), content_type="application/json")

    def _new(self) -> str:
        job_id = f"{len(self.jobs) + 0xF000:036x}"
        self.jobs[job_id] = "queued"
        return job_id

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        if self.way in ("refused", "unknown"):
            return web.Response(status=403)
        if self.way == "away":
            request.transport.abort()
            return web.Response()
        socket = web.WebSocketResponse(protocols=("cmdexec.v1",))
        await socket.prepare(request)
        self.opened += 1
        self.watching[socket] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and self.way == "open":
                    frames = plain.loads(message.data)
                    for frame in frames if isinstance(frames, list) else [frames]:
                        await self._take(socket, frame)
        finally:
            del self.watching[socket]
        return socket

    async def _take(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["op"] == "submit":
            await self._submit(socket, frame)
            return
        job_ids = [item["jobId"] for item in frame["items"] if item["until"] == "ended"]
        self.said.append((frame["op"], len(job_ids)))
        known = [job_id for job_id in job_ids if job_id in self.jobs]
        watched = self.watching[socket]
        if frame["op"] == "unwatch":
            watched -= set(job_ids)
        else:
            watched |= set(known)
            self.most = max(self.most, len(watched))
        refused = {"code": "not_found", "message": "There is no such job."}
        answers = [{} if job_id in known else refused for job_id in job_ids]
        if "id" in frame:
            await socket.send_str(plain.dumps({"re": frame["id"], "items": answers}))
        if frame["op"] == "watch" and (over := [job_id for job_id in known if self.jobs[job_id] in ENDS]):
            await self._tell(socket, over)

    async def _submit(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        (item,) = frame["items"]
        self.submitted.append(item["key"])
        if self.submitting == "taken":
            job_id, watch = self.again or self._new(), item.get("until") == "ended"
            self.again = None
            self.watching[socket] |= {job_id} if watch else set()
            told = {"re": frame["id"], "items": [{"job": self._view(job_id), "watched": watch}]}
            answer = socket.send_str(msgspec.json.encode(told).decode())
            if self.hold is None:
                await answer
            else:
                self._held.create_task(self._send_late(answer))
        elif self.submitting == "busy":
            busy = {"code": "too_many", "message": "Later.", "retryAfterSec": 1.2}
            await socket.send_str(plain.dumps({"re": frame["id"], "items": [busy]}))
        elif self.submitting == "refused":
            await socket.send_str(plain.dumps({"re": frame["id"], "items": [{"code": "forbidden", "message": "No."}]}))
        elif self.submitting != "unanswered":
            await socket.close(code=4400 if self.submitting == "unknown" else 1001)

    async def _send_late(self, answer: Coroutine[Any, Any, None]) -> None:
        assert self.hold is not None
        await self.hold.wait()
        await answer
