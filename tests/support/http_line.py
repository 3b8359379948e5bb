"""HTTP that is scripted, and a worker's line to it: the other side of the process boundary of `worker.polling`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.link.http import session
from cmdexec.link.socket import Ended
from cmdexec.protocol.codec import Frame, ask
from cmdexec.protocol.messages import Heartbeat, OutputHeader, Register
from cmdexec.worker.polling import HttpLine
from cmdexec.worker.polling_bodies import Bodies
from tests.support.waiting import becomes
from tests.support.worker import inline_runtime, job_id, worker_settings

REGISTERED = {
    "workerId": "w", "session": "s", "leaseSec": 30, "heartbeatSec": 10, "maxFrameBytes": 99_000,
    "outputLimitBytes": 1, "serverVersion": "1",
}  # fmt: skip
NAMED = {"jobId": job_id(1), "attempt": 1}
OK = {**NAMED, "tell": "ok"}
BEAT = {"leaseSec": 30, "heartbeatSec": 10, "start": [{**NAMED, "tell": "go"}]}


def error(status: int, code: str, **more: Any) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "No.", **more}}, status=status)


async def lost(request: web.Request) -> web.Response:
    """The connection breaks in place of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def waits(_: web.Request) -> web.Response:
    """A poll for which nothing comes."""
    await asyncio.Event().wait()
    return web.Response(status=204)


def says(value: Any) -> Any:
    """Answers with `value`."""
    return lambda: web.json_response(value)


class Script:
    """A server: `answers` by the last word of the path, the last one for ever. `asked`: what came, in its order.

    As a real one does, it keeps no poll of a worker waiting that says that it takes no more jobs.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {
            "register": [says(REGISTERED)],
            "heartbeat": [says(BEAT)],
            "get-job": [waits],
            "submit-result": [says([OK])],
            "stream-output": [says({"acknowledged": {"stdout": 3, "stderr": 0}})],
        }
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._ends = asyncio.Event()

    def of(self, what: str) -> list[Any]:
        return [body for path, body in self.asked if path == what]

    async def handle(self, request: web.Request) -> web.Response:
        what = request.path.rsplit("/", 1)[1]
        body = await request.read()
        self.asked.append((what, json.loads(body) if body else dict(request.query)))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        answers = self.answers[what]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, web.Response):
            return answer
        if what == "heartbeat" and self.asked[-1][1].get("draining"):
            self._ends.set()
        if answer is waits:
            await self._ends.wait()
            return web.Response(status=204)
        return await answer(request) if asyncio.iscoroutinefunction(answer) else answer()


class Heard:
    """A handler that keeps what it hears: answers by number, orders by op; and how many `times` it heard something."""

    def __init__(self) -> None:
        self.answers: dict[int, Any] = {}
        self.orders: list[tuple[str, Any]] = []
        self.times = 0

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        self.times += 1
        for frame in frames:
            items = json.loads(bytes(frame.items))
            if frame.re is not None:
                self.answers[frame.re] = items
            elif items:
                self.orders.append((frame.op or "", items))

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        raise AssertionError

    def acks(self) -> list[dict[str, Any]]:
        return [item for op, items in self.orders if op == "ack" for item in items]


class Line:
    """A line to a script, running. `free`: the slots that are."""

    def __init__(self, script: Script, heard: Heard) -> None:
        self.script, self.heard = script, heard
        self.free = 0
        self.bodies = Bodies()
        self.line: HttpLine
        self.ended: asyncio.Task[Ended]

    async def open(self) -> None:
        """Register, and say the list."""
        self.line.put(ask("register", [Register(instance_id="me", connection=7)], 1))
        self.line.put(ask("heartbeat", [Heartbeat(jobs=())], 2))
        await becomes(lambda: 2 in self.heard.answers, "it is there")

    async def end(self) -> Ended:
        async with asyncio.timeout(10):
            return await asyncio.shield(self.ended)


@asynccontextmanager
async def lined(folder: Path, **values: object) -> AsyncIterator[Line]:
    script, heard = Script(), Heard()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    server = TestServer(app)
    await server.start_server()
    fast: dict[str, object] = {"reconnect_min_sec": 0.01, "reconnect_max_sec": 0.02, "again_sec": 0.1}
    settings = worker_settings(folder, **(fast | values))
    line = Line(script, heard)

    async def headers() -> dict[str, str]:
        return {"x-worker-token": "t"}

    url = str(server.make_url("")).rstrip("/")
    async with session(connect_timeout_sec=2) as http:
        line.line = HttpLine(
            http, url, headers, lambda: line.free, line.bodies, settings=settings, runtime=inline_runtime()
        )
        line.ended = asyncio.create_task(line.line.run(heard))
        try:
            yield line
        finally:
            line.ended.cancel()
            await asyncio.wait([line.ended])
            await server.close()
