"""A server that says what a test tells it to, over real HTTP: the other side of the client's process boundary."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.client import Access, Client
from cmdexec.protocol.requests import AttemptView, BackoffView, JobView, OutputView, StreamView
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make

TOKEN = "a-token-of-the-scripted-server"
JOB_ID = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """Answers each request with the next of `answers`, the last one for ever; keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


class Scripted:
    """The server and a client of it: `async with Scripted(script, patience_sec=1) as client`."""

    def __init__(self, script: Script, **settings: object) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.take)
        self.server = TestServer(app)
        fast = {"retry_first_sec": "10ms", "retry_max_sec": "50ms", "patience_sec": "5s"}
        self.settings = make(ClientSettings, **{**fast, **settings})
        self.client: Client | None = None

    async def __aenter__(self) -> Client:
        await self.server.start_server(max_line_size=16 * 1024)  # as a server of ours
        access = Access(str(self.server.make_url("")).rstrip("/"), TOKEN)
        self.client = Client(lambda: access, settings=self.settings, runtime=system_runtime("test", 1))
        return await self.client.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        assert self.client is not None
        await self.client.__aexit__()
        self.client.runtime.threads.close()
        await self.server.close()


def json(value: Any, status: int = 200, **headers: str) -> Answer:
    """Answers with `value` as JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        body = msgspec.json.encode(value)
        return web.Response(body=body, status=status, headers=named, content_type="application/json")

    return answer


def error(status: int, code: str, **headers: str) -> Answer:
    """Answers with an error."""
    return json({"error": {"code": code, "message": "No.", "field": "f", "mend": "Do."}}, status, **headers)


async def break_off(request: web.Request) -> web.StreamResponse:
    """Closes the connection in place of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def job(status: str = "completed", **fields: object) -> JobView:
    """A job as the server shows it."""
    stream = StreamView(bytes=0, digest=None, whole=True, lost=())
    values: dict[str, object] = dict.fromkeys(JobView.__struct_fields__) | {
        "job_id": JOB_ID, "command": "true", "status": status, "attempt": 1, "run": 1, "created_at": "", "labels": {},
        "cancel_requested": False, "tags": (), "output": OutputView(stdout=stream, stderr=stream), "attempts": (),
        "history": (), "priority": 0, "max_retries": 0, "retries_used": 0, "retry_on": (), "max_lost": 3,
        "lost_used": 0, "backoff": BackoffView(first_sec=1.0, max_sec=300.0), "on_lost": "hold",
        "stdin_bytes": 0, "env": {}, "owner": JOB_ID,
    }  # fmt: skip
    return JobView(**(values | fields))  # type: ignore[arg-type]


def begun(attempt: int, stdout: int, stderr: int) -> JobView:
    """A job that runs, with so many bytes stored of each stream of its attempt."""
    views = [StreamView(bytes=size, digest=None, whole=None, lost=()) for size in (stdout, stderr)]
    output = OutputView(stdout=views[0], stderr=views[1])
    values: dict[str, object] = dict.fromkeys(AttemptView.__struct_fields__) | {
        "attempt": attempt, "run": 1, "worker_id": "w", "started_at": "", "ok": False, "output": output,
    }  # fmt: skip
    return job("running", attempts=(AttemptView(**values),))  # type: ignore[arg-type]
