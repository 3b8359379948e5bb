"""A server that answers each route with what a test gives it, and the command line in this process against it."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.cli.main import command_line
from cmdexec.protocol.listing import JobRow, JobsPage
from cmdexec.protocol.requests import UserView, WorkerView
from tests.support.scripted import JOB_ID, TOKEN

USER = UserView(user_id="01936f0e-0000-7000-8000-000000000001", email="ada@example.com", role="operator")


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class Refusal(NamedTuple):
    """An answer that is an error."""

    status: int
    code: str
    message: str = "No."
    mend: str | None = None
    field: str | None = None


Answer = Any
"""A struct or what JSON has; a `Refusal`; a list of these, each for one request; or a function of the request."""


class Answers:
    """`routes`: `"GET /api/jobs"` → its answer. Used as `async with answers.up(monkeypatch):`."""

    def __init__(self, routes: dict[str, Answer]) -> None:
        self.routes = routes
        self.asked: list[Asked] = []
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", self._take)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    @asynccontextmanager
    async def up(self, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
        """Serve, and let the environment name this server."""
        await self.server.start_server()
        for name, value in {
            "SERVER_URL": self.url, "CMDEXEC_TOKEN": TOKEN, "RETRY_FIRST_SEC": "10ms", "RETRY_MAX_SEC": "50ms",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        try:
            yield self
        finally:
            await self.server.close()

    async def run(self, *arguments: str) -> int:
        """The code with which the command line ends."""
        return await asyncio.to_thread(command_line, arguments)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        text = await request.read()
        body = msgspec.json.decode(text) if text else None
        asked = Asked(request.method, request.path, dict(request.query), body, dict(request.headers))
        self.asked.append(asked)
        answer = self.routes.get(f"{request.method} {request.path}", Refusal(404, "not_found"))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(asked)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Refusal):
            error = {"code": answer.code, "message": answer.message, "mend": answer.mend, "field": answer.field}
            told = {"error": {key: value for key, value in error.items() if value is not None}}
            headers = {"Retry-After": "1"} if answer.status in (429, 503) else {}
            return web.json_response(told, status=answer.status, headers=headers)
        if isinstance(answer, bytes):
            return web.Response(body=answer, status=206, content_type="application/octet-stream")
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _empty(kind: type[msgspec.Struct]) -> dict[str, object]:
    """None for each field that has to be given."""
    return {field.name: None for field in msgspec.structs.fields(kind) if field.required}


def row(job_id: str = JOB_ID, **fields: object) -> JobRow:
    """A job in a list."""
    values = _empty(JobRow) | {
        "job_id": job_id, "command": ("echo", "a b"), "status": "completed", "attempt": 1, "run": 1, "priority": 0,
        "tags": (), "created_at": "2026-11-25T10:00:00.000Z", "cancel_requested": False,
    }  # fmt: skip
    return JobRow(**(values | fields))  # type: ignore[arg-type]


def page(*rows: JobRow, more: str | None = None) -> JobsPage:
    """A page of a list."""
    return JobsPage(jobs=rows, next=more)


def worker(name: str = "w1", worker_id: str = "worker-1", **fields: object) -> WorkerView:
    """A worker."""
    values = _empty(WorkerView) | {
        "worker_id": worker_id, "name": name, "state": "online", "version": "0.1.0", "platform": "linux", "slots": 4,
        "executors": (), "labels": {}, "registered_at": "2026-11-25T10:00:00.000Z", "jobs": (),
    }  # fmt: skip
    return WorkerView(**(values | fields))  # type: ignore[arg-type]
