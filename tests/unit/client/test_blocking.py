"""The library for programs without an event loop, against a server that says what a test tells it to."""

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import cmdexec
from cmdexec import Connection, version
from tests.support.scripted import TOKEN, job
from tests.support.waiting import becomes

T = TypeVar("T")
FIRST, SECOND = "01936f0e-4f2a-7001-9c3f-000000000001", "01936f0e-4f2a-7001-9c3f-000000000002"
FAST = {"retry_first_sec": "10ms", "retry_max_sec": "50ms", "patience_sec": "20s", "tell_after_sec": "5s"}


class Jobs:
    """Takes jobs, and says of each what `status` holds; over HTTP alone.

    taking   set: submissions are answered
    held     whoever asks after one job alone is answered with what held when it asked, when this is set
    keys     those of all submissions; `cancelled`: ids
    """

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.keys: list[str] = []
        self.cancelled: list[str] = []
        self.alone = 0
        self.taking, self.held = asyncio.Event(), asyncio.Event()
        self.taking.set()
        self.held.set()
        app = web.Application()
        app.router.add_post("/api/jobs/create", self._create)
        app.router.add_post("/api/jobs/cancel", self._cancel)
        app.router.add_get("/api/jobs/status", self._status)
        self.server = TestServer(app)

    @asynccontextmanager
    async def connected(self, **settings: object) -> AsyncIterator[Connection]:
        await self.server.start_server()
        connection = self.connect(**settings)
        try:
            yield connection
        finally:
            self.taking.set()
            self.held.set()
            await asyncio.to_thread(connection.close)
            await self.server.close()

    def connect(self, **settings: object) -> Connection:
        return cmdexec.connect(str(self.server.make_url("")).rstrip("/"), TOKEN, **{**FAST, **settings})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers["Idempotency-Key"])
        body = await request.json()
        await self.taking.wait()
        ids = [FIRST, SECOND][: len(body) if isinstance(body, list) else 1]
        for job_id in ids:
            self.status.setdefault(job_id, "running")
        return self._said(ids, listed=isinstance(body, list))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        ids = (await request.json())["jobId"]
        self.cancelled += ids
        return web.json_response({"jobs": [{"jobId": one, "outcome": "asked"} for one in ids]})

    async def _status(self, request: web.Request) -> web.StreamResponse:
        ids = request.query.getall("jobId")
        answer = self._said(ids, listed=len(ids) > 1)
        if len(ids) == 1:
            self.alone += 1
            self.asking = request
            await self.held.wait()
        return answer

    def _said(self, ids: list[str], *, listed: bool) -> web.Response:
        views = [job(self.status[job_id], job_id=job_id) for job_id in ids]
        body = msgspec.json.encode({"jobs": views} if listed else views[0])
        return web.Response(body=body, content_type="application/json")


async def elsewhere(call: Callable[[], T]) -> T:
    return await asyncio.wait_for(asyncio.to_thread(call), 20)


async def test_an_old_answer_does_not_go_over_the_end_that_is_known() -> None:
    server = Jobs()
    async with server.connected() as c:
        jobs = await elsewhere(lambda: c.submit_all([cmdexec.new_job("a"), cmdexec.new_job("b")]))
        server.held.clear()
        asked = asyncio.create_task(elsewhere(jobs[0].status))
        await becomes(lambda: server.alone == 1, "its status is asked for")
        server.status = dict.fromkeys(server.status, "completed")
        await becomes(lambda: all(job.done() for job in jobs), "both are known to have ended")
        server.held.set()
        assert (await asked).status == "completed"
        assert (jobs[0].view.status, "completed" in repr(jobs[0])) == ("completed", True)


async def test_a_job_is_awaited_in_any_event_loop_and_a_timeout_ends_no_job() -> None:
    server = Jobs()
    async with server.connected() as c:
        job = await elsewhere(lambda: c.submit("a"))
        began = c.client.runtime.clock.elapsed()
        for waiting in (job, asyncio.wrap_future(job)):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(waiting, 0.05)
        assert c.client.runtime.clock.elapsed() - began < 5, "the loop was kept waiting for the server"
        assert (server.cancelled, job.done()) == ([], False)
        server.status[FIRST] = "completed"
        assert (await asyncio.wait_for(job, 10)).job.status == "completed"
        assert (await job).job.job_id == FIRST


async def test_a_job_that_somebody_cancelled_is_told_to_who_awaits_it_as_such() -> None:
    """And not as if the task that waits had been cancelled."""
    server = Jobs()
    async with server.connected() as c:
        job = await elsewhere(lambda: c.submit("a"))
        server.status[FIRST] = "cancelled"
        with pytest.raises(cmdexec.JobCancelled):
            await asyncio.wait_for(job, 10)


async def test_a_key_makes_lists_of_jobs_safe_to_repeat() -> None:
    server = Jobs()
    async with server.connected() as c:
        await elsewhere(lambda: c.submit_all([cmdexec.new_job("a")], key="mine"))
        await elsewhere(lambda: c.map("echo {}", [1, 2], key="other"))
        await elsewhere(lambda: c.submit("a", key="one"))
    assert server.keys == ["mine-1", "other-1", "one"]


async def test_the_timeout_of_a_map_counts_from_its_call() -> None:
    server = Jobs()
    async with server.connected() as c:
        clock = c.client.runtime.clock
        results = await elsewhere(lambda: c.map("echo {}", [1], timeout=0.5))
        end = clock.elapsed() + 0.5
        await becomes(lambda: clock.elapsed() > end, "it is over")
        began = clock.elapsed()
        with pytest.raises(TimeoutError):
            await elsewhere(lambda: next(results))
        assert clock.elapsed() - began < 0.4


async def test_a_connection_that_is_forgotten_is_closed_with_its_jobs() -> None:
    server = Jobs()
    async with server.connected() as other:
        c = server.connect()
        job = await elsewhere(partial(c.submit, "a"))
        threads = {thread for thread in threading.enumerate() if thread.name == "cmdexec-client"}
        assert len(threads) == 2
        known = weakref.ref(c), weakref.ref(job)
        del c
        gc.collect()
        assert not job.done()
        assert all(one() is not None for one in known)
        del job
        await becomes(lambda: gc.collect() >= 0 and known[0]() is known[1]() is None, "nothing keeps them")
        await becomes(lambda: sum(thread.is_alive() for thread in threads) == 1, "its thread ends")
        assert (await elsewhere(lambda: other.submit("a"))).id == FIRST


async def test_callbacks_come_of_a_job_that_nobody_keeps() -> None:
    server = Jobs()
    called: list[str] = []

    def callback(job: Future[cmdexec.Result]) -> None:
        called.append(job.result().job.job_id)

    async with server.connected() as c:
        await elsewhere(lambda: c.submit("a").add_done_callback(callback))
        gc.collect()
        server.status[FIRST] = "completed"
        await becomes(lambda: called == [FIRST], "it is called back")


PROGRAM = """
import sys
import cmdexec
url, token, *settings = sys.argv[1:]
with cmdexec.connect(url, token, **dict(one.split("=") for one in settings)) as c:
    try:
        print("begun", flush=True)
        CALL
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.readline()
"""


@asynccontextmanager
async def pressed(server: Jobs, call: str, when: Callable[[], bool]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is interrupted by Ctrl-C in that call; it closes its connection when it is given a line."""
    await server.server.start_server()
    url = str(server.server.make_url("")).rstrip("/")
    fast = [f"{name}={value}" for name, value in FAST.items()]
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", PROGRAM.replace("CALL", call), url, TOKEN, *fast,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    try:
        assert await asyncio.wait_for(program.stdout.readline(), 20) == b"begun\n"
        await becomes(when, "it waits")
        program.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(program.stdout.readline(), 20) == b"interrupted\n"
        yield program
        await asyncio.wait_for(program.communicate(b"\n"), 20)
        assert program.returncode == 0
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        await server.server.close()


@pytest.mark.parametrize(
    ("call", "ids"),
    [
        ("c.run('a')", [FIRST]),
        ("c.submit('a')", [FIRST]),
        ("list(c.map('echo {}', [1, 2]))", [FIRST, SECOND]),
    ],
)
@pytest.mark.parametrize("closing", [False, True])
async def test_what_is_submitted_while_ctrl_c_is_pressed_is_cancelled(call: str, ids: list[str], closing: bool) -> None:
    """Also where the answer comes only after the connection began to close."""
    server = Jobs()
    server.taking.clear()
    async with pressed(server, call, lambda: len(server.keys) == 1) as program:
        if closing:
            assert program.stdin is not None
            program.stdin.write(b"\n")
            await program.stdin.drain()
        server.taking.set()
        await becomes(lambda: server.cancelled == ids, "it is cancelled")
    assert len(server.keys) == 1


async def test_a_call_that_is_interrupted_ends() -> None:
    server = Jobs()
    server.held.clear()
    server.status[FIRST] = "running"
    async with pressed(server, f"c.job('{FIRST}')", lambda: server.alone == 1):
        await becomes(lambda: server.asking.transport is None or server.asking.transport.is_closing(), "nobody waits")
        server.held.set()


def in_a_child(call: Callable[[], object]) -> str:
    """What a call in a child of this process says, within ten seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            said = repr(call())
        except BaseException as wrong:
            said = f"{type(wrong).__name__}: {wrong}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        said = told.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_in_a_forked_process_one_has_to_connect_again() -> None:
    server = Jobs()
    async with server.connected() as c:
        job = await elsewhere(lambda: c.submit("a"))
        for call in (lambda: c.run("b"), job.result, job.exception, job.status, lambda: list(c.jobs())):
            said = await elsewhere(lambda call=call: in_a_child(call))  # type: ignore[misc]
            assert said.startswith("RuntimeError: This connection to the server was made before this process was")
            assert "Connect in the child: cmdexec.connect()" in said
        assert await elsewhere(lambda: in_a_child(c.close)) == "None"
        server.status[FIRST] = "completed"
        assert (await job).job.status == "completed"


def test_what_is_no_setting_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no setting 'foo' of a connection. There are server_url, .*patience_sec"):
        cmdexec.connect(foo=1)


async def test_what_is_no_setting_is_refused_with_an_event_loop() -> None:
    with pytest.raises(TypeError, match="no setting 'foo'"):
        await cmdexec.connect_async("http://127.0.0.1:1", foo=1).__aenter__()


def test_the_version_is_there() -> None:
    assert cmdexec.__version__ == version.__version__
