"""Which way a worker takes to its server: a socket, HTTP while none gets through, and the socket again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.http_line import REGISTERED, Script, error, says
from tests.support.waiting import becomes, stays
from tests.support.worker_server import RunningWorker, serving

FAST: dict[str, object] = {"connect_timeout_sec": 0.3, "socket_retry_sec": 0.05}


class Doors:
    """HTTP by a script, and `/ws` as a test wants it: `refuse` answers the upgrade, else it opens and says nothing.

    silent  messages on sockets that got no answer
    open    sockets that are
    """

    def __init__(self) -> None:
        self.script = Script()
        self.refuse: web.Response | None = None
        self.upgrades = 0
        self.silent = self.open = 0
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_route("*", "/{path:.*}", self.script.handle)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.upgrades += 1
        if self.refuse is not None:
            return web.Response(status=self.refuse.status, headers=self.refuse.headers)
        ws = web.WebSocketResponse(protocols=("cmdexec.v1",))
        await ws.prepare(request)
        self.open += 1
        try:
            async for message in ws:
                self.silent += message.type is web.WSMsgType.TEXT
        finally:
            self.open -= 1
        return ws


@asynccontextmanager
async def doors(folder: Path, refuse: web.Response | None = None, **values: object) -> AsyncIterator[Doors]:
    """Such a server, and a worker that runs."""
    here = Doors()
    here.refuse = refuse
    await here.server.start_server()
    server: Any = here
    worker = RunningWorker(server, folder, **(FAST | values))
    try:
        yield here
        await worker.end()
    finally:
        worker.task.cancel()
        await asyncio.wait([worker.task])
        await here.server.close()


async def test_a_socket_on_which_nobody_answers_is_cut_in_time_and_after_two_it_polls(tmp_path: Path) -> None:
    async with doors(tmp_path, socket_retry_sec=60.0) as here:
        await becomes(lambda: here.script.of("heartbeat"), "it polls", within=3)
        assert here.silent == 2, "one alone may have been an accident"
        await becomes(lambda: here.open == 0, "both are cut")


async def test_a_socket_that_opens_but_is_not_answered_sends_it_back_to_polling_at_once(tmp_path: Path) -> None:
    """Pings pass, and nothing else."""
    async with doors(tmp_path, web.Response(status=403)) as here:
        await becomes(lambda: here.script.of("heartbeat"), "it polls")
        here.refuse = None
        await becomes(lambda: here.silent, "it goes to the socket")
        registered = len(here.script.of("register"))
        await becomes(lambda: len(here.script.of("register")) > registered, "and is back", within=1)


@pytest.mark.parametrize("refuse", [web.Response(status=404), web.Response(status=400, headers={"Server": "cmdexec"})])
async def test_one_answer_that_says_so_is_enough(tmp_path: Path, refuse: web.Response) -> None:
    async with doors(tmp_path, refuse, socket_retry_sec=60.0) as here:
        await becomes(lambda: here.script.of("heartbeat"), "it polls")
        assert here.upgrades == 1


async def test_a_refusal_by_the_server_itself_is_no_reason_to_poll(tmp_path: Path) -> None:
    async with doors(tmp_path, web.Response(status=401, headers={"Server": "cmdexec"})) as here:
        await becomes(lambda: here.upgrades >= 3, "it goes on trying")
        assert not here.script.asked


async def test_a_refusal_that_a_proxy_hides_is_told_in_the_servers_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The upgrade's answer lost its marks; over HTTP the server says itself what is wrong."""
    async with doors(tmp_path, web.Response(status=403)) as here:
        here.script.answers["register"] = [lambda: error(401, "unauthorized")]
        await becomes(lambda: here.upgrades >= 2, "it goes on trying")
        assert any("refuses this worker" in record.message for record in caplog.records)
        assert not here.script.of("heartbeat")


async def test_a_polling_that_breaks_is_begun_anew(tmp_path: Path) -> None:
    """Before a socket, which may take long to fail."""
    async with doors(tmp_path, web.Response(status=502), call_tries=1, socket_retry_sec=60.0) as here:
        often = {"leaseSec": 30, "heartbeatSec": 0.05}
        here.script.answers["register"] = [says(REGISTERED | often)]
        here.script.answers["heartbeat"] = [says(often)]
        await becomes(lambda: here.script.of("get-job"), "it polls")
        here.script.answers["heartbeat"].insert(0, lambda: error(400, "bad_request"))
        await becomes(lambda: len(here.script.of("register")) == 2, "it registers again")
        beats = len(here.script.of("heartbeat"))
        await becomes(lambda: len(here.script.of("heartbeat")) > beats + 2, "it goes on")
        assert here.upgrades == 1


async def test_a_healthy_socket_that_breaks_is_tried_again_first(tmp_path: Path) -> None:
    async with serving(tmp_path, **FAST) as (server, _):
        await server.until(lambda: server.of("heartbeat"), "it is connected")
        for _ in range(3):
            connections, beats = server.connections, len(server.of("heartbeat"))
            server.cut()
            await server.until(lambda beats=beats: len(server.of("heartbeat")) > beats, "it is there again")
            assert server.connections == connections + 1


async def test_a_polling_worker_leaves_the_socket_alone_for_a_while(tmp_path: Path) -> None:
    async with doors(tmp_path, web.Response(status=403), socket_retry_sec=60.0) as here:
        await becomes(lambda: here.script.of("get-job"), "it polls")
        await stays(lambda: here.upgrades == 1, "it leaves the socket alone", during=0.3)
