"""Which way a worker takes to its server: a socket, HTTP while none gets through, and the socket again."""

import asyncio
import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.protocol.codec import decode_frames, encode, unpack_output
from tests.support.http_line import NAMED, OK, REGISTERED, Script, error, lost, says
from tests.support.waiting import becomes, stays
from tests.support.worker_server import RunningWorker, serving

JOB = {**NAMED, "command": "seq 200000"}
FAST: dict[str, object] = {"connect_timeout_sec": 0.3, "socket_retry_sec": 0.05}


class Doors:
    """HTTP by a script, and `/ws` as a test wants it: `refuse` answers the upgrade, else it opens and says nothing, or
    only `begins`: it answers frames, assigns a job, and breaks when that writes something, which it acknowledges if it
    `carries`. Over HTTP all output is taken.

    silent  messages on sockets that got no answer
    open    sockets that are
    """

    def __init__(self) -> None:
        self.script = Script()
        self.refuse: web.Response | None = None
        self.begins = self.carries = False
        self.cuts = True
        self.said: list[tuple[str, Any]] = []
        self.upgrades = 0
        self.silent = self.open = 0
        self.script.answers["stream-output"] = [takes]
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
                if not self.begins:
                    self.silent += message.type is web.WSMsgType.TEXT
                elif message.type is web.WSMsgType.TEXT:
                    await ws.send_str(encode(self._answers(message.data)).decode())
                elif self.carries:
                    header, data = unpack_output(message.data)
                    stored = {"stdout": header.offset + len(data)}
                    ack = {"jobId": header.job_id, "attempt": header.attempt, **stored}
                    await ws.send_str(json.dumps([{"op": "ack", "items": [ack]}]))
                    if self.cuts:
                        hang_up_now(request)
                else:
                    hang_up_now(request)
        finally:
            self.open -= 1
        return ws

    def _answers(self, text: str) -> list[Any]:
        """To the beginning: welcome, and a job that writes; `go` for that."""
        answers = []
        for frame in decode_frames(text):
            items = json.loads(bytes(frame.items))
            self.said.extend((frame.op or "", item) for item in items)
            told = {
                "register": REGISTERED | {"maxFrameBytes": 2**20, "outputLimitBytes": 10**9},
                "heartbeat": {"leaseSec": 30, "heartbeatSec": 10},
                "start": {**NAMED, "tell": "go"},
                "done": OK,
            }
            answers.append({"re": frame.id, "items": [told[frame.op or ""]] * len(items)})
            if frame.op == "heartbeat":
                answers.append({"op": "assign", "items": [JOB]})
        return answers


async def takes(request: web.Request) -> web.Response:
    last = (await request.json())["chunks"][-1]
    return web.json_response({"acknowledged": {"stdout": last["offset"] + len(b64decode(last["data"])), "stderr": 0}})


def hang_up_now(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.close()


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
        await becomes(lambda: here.script.of("heartbeat"), "it polls", within=10)
        assert here.silent == 2, "one alone may have been an accident"
        await becomes(lambda: here.open == 0, "both are cut")


async def test_a_socket_that_opens_but_is_not_answered_sends_it_back_to_polling_at_once(tmp_path: Path) -> None:
    """Pings pass, and nothing else."""
    async with doors(tmp_path, web.Response(status=403)) as here:
        await becomes(lambda: here.script.of("heartbeat"), "it polls")
        here.refuse = None
        await becomes(lambda: here.silent, "it goes to the socket")
        registered = len(here.script.of("register"))
        await becomes(lambda: len(here.script.of("register")) > registered, "and is back", within=3)


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


async def test_a_socket_that_carries_no_more_than_its_beginning_is_left_after_two(tmp_path: Path) -> None:
    """It registers, is welcomed and given a job; the first output breaks it, each time."""
    async with doors(tmp_path, socket_retry_sec=60.0) as here:
        here.begins = True
        await becomes(lambda: here.script.of("stream-output"), "output goes over HTTP")
        assert here.upgrades == 2
        assert [op for op, _ in here.said].count("register") == 2


async def test_a_socket_that_broke_when_output_had_got_through_is_tried_again(tmp_path: Path) -> None:
    async with doors(tmp_path, socket_retry_sec=60.0) as here:
        here.begins = here.carries = True
        await becomes(lambda: here.upgrades >= 4, "it comes back to the socket")
        assert not here.script.asked
        here.cuts = False


async def test_connections_and_lists_are_numbered_upwards_on_both_ways(tmp_path: Path) -> None:
    async with doors(tmp_path) as here:
        here.begins = True
        often = {"leaseSec": 30, "heartbeatSec": 0.05}
        here.script.answers["register"] = [says(REGISTERED | often)]
        here.script.answers["heartbeat"] = [says(often)]
        await becomes(lambda: here.script.of("submit-result"), "it polls")
        await becomes(lambda: [op for op, _ in here.said].count("heartbeat") > 2, "and is on a socket again")
        said = [item for op, item in here.said if op == "register"]
        numbers = [item["connection"] for item in said]
        assert numbers[:2] == [1, 2]
        assert here.script.of("register")[0]["connection"] == 3
        assert numbers[2:]
        assert min(numbers[2:]) > 3
        polls = [one for one in here.script.headers if "x-worker-connection" in one]
        assert {one["x-worker-connection"] for one in polls[:3]} == {"3"}
        lists = [item["seq"] for op, item in here.said if op == "heartbeat"]
        over_http = [item["seq"] for item in here.script.of("heartbeat") if "seq" in item]
        assert lists[:2] == [1, 2]
        assert over_http == sorted(over_http)
        assert over_http[0] == 3


async def test_a_lost_call_behind_a_proxy_that_refuses_sockets_is_no_refusal_by_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes back as soon as after any call that was lost."""
    waits: dict[str, object] = {"reconnect_min_sec": 0.02, "reconnect_max_sec": 60.0, "socket_retry_sec": 60.0}
    async with doors(tmp_path, web.Response(status=403), **waits) as here:
        here.script.answers["register"] = [lost, says(REGISTERED)]
        await becomes(lambda: here.script.of("heartbeat"), "it polls", within=10)
        said = [f"{record.message} {record.__dict__}" for record in caplog.records]
        assert not any("refuses this worker" in one for one in said)
        assert any("Something before the server opens no socket" in one for one in said)


@pytest.mark.parametrize("ever", [False, True])
async def test_where_no_poll_is_ever_answered_it_comes_back_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ever: bool
) -> None:
    """However long such a line lives; one on which polls were answered was a good one."""
    caplog.set_level(logging.DEBUG)
    waits: dict[str, object] = {"reconnect_min_sec": 0.01, "reconnect_max_sec": 0.08, "call_tries": 1}
    lines = 0

    async def breaks_late(request: web.Request) -> web.Response:
        nonlocal lines
        seen = len(here.script.of("heartbeat"))
        await becomes(lambda: len(here.script.of("heartbeat")) > seen + 4, "the line lives")
        if ever and lines < len(here.script.of("register")):
            lines += 1
            return web.json_response({"jobs": [], "stop": [NAMED], "cancel": []})
        return await lost(request)

    async with doors(tmp_path, web.Response(status=403), **waits, socket_retry_sec=60.0) as here:
        often = {"leaseSec": 30, "heartbeatSec": 0.02}
        here.script.answers["register"] = [says(REGISTERED | often)]
        here.script.answers["heartbeat"] = [says(often)]
        here.script.answers["get-job"] = [breaks_late]
        await becomes(lambda: len(here.script.of("register")) > 6, "it comes back", within=20)
    told = [getattr(record, "about", {}) for record in caplog.records]
    found = [about["wait_sec"] for about in told if "wait_sec" in about]
    assert (max(found[1:]) > 0.01) is not ever
