"""Whether sockets are blocked, told by what came in place of one; and whether one that opened carries anything."""

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdexec.errors import CmdexecError, Refused
from cmdexec.link.http import Blocked, blocked, connect, own_failure, passes, session
from cmdexec.link.socket import Limits

LIMITS = Limits(65536, 0.003, 64, 100, 1_000_000, 2.0, 15.0)
OURS = {"Server": "cmdexec"}


async def refusal(status: int, headers: dict[str, str] | None = None) -> CmdexecError:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_get("/ws", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        async with session(connect_timeout_sec=2) as http:
            with pytest.raises(CmdexecError) as wrong:
                await connect(http, str(server.make_url("")), {}, LIMITS)
    finally:
        await server.close()
    return wrong.value


@pytest.mark.parametrize(("status", "wanted"), [
    *((status, Blocked.SURELY) for status in (200, 400, 401, 403, 404, 405, 426, 501, 502)),
    *((status, Blocked.PERHAPS) for status in (429, 500, 503, 504)),
])  # fmt: skip
async def test_an_answer_that_is_none_of_ours_says_that_sockets_are_blocked(status: int, wanted: Blocked) -> None:
    assert blocked(await refusal(status)) is wanted


@pytest.mark.parametrize("status", [401, 403, 421, 426, 429, 503])
async def test_a_server_that_refuses_by_itself_blocks_nothing(status: int) -> None:
    assert blocked(await refusal(status, OURS)) is Blocked.NO


async def test_our_own_400_says_that_the_headers_of_the_upgrade_were_taken_off() -> None:
    assert blocked(await refusal(400, OURS)) is Blocked.SURELY


async def test_where_nothing_answers_nothing_is_blocked() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with session(connect_timeout_sec=2) as http:
            with pytest.raises(CmdexecError) as wrong:
                await connect(http, f"http://127.0.0.1:{taken.getsockname()[1]}", {}, LIMITS)
    assert blocked(wrong.value) is Blocked.NO
    assert blocked(Refused("bad_settings", "No token.")) is Blocked.NO


async def test_a_connection_that_breaks_and_a_timeout_may_have_many_reasons() -> None:
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    server = await asyncio.start_server(breaks, "127.0.0.1", 0)
    async with server, session(connect_timeout_sec=2) as http:
        with pytest.raises(CmdexecError) as wrong:
            await connect(http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, LIMITS)
    assert blocked(wrong.value) is Blocked.PERHAPS
    assert blocked(TimeoutError()) is Blocked.PERHAPS


@pytest.mark.parametrize("answers", [True, False])
async def test_a_socket_passes_when_a_ping_is_answered(answers: bool) -> None:
    """One that opens and carries nothing is what some proxies give."""
    closed = asyncio.Event()

    async def opens(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("cmdexec.v1",), autoping=answers)
        await ws.prepare(request)
        try:
            async for _ in ws:
                pass
        finally:
            closed.set()
        return ws

    app = web.Application()
    app.router.add_get("/ws", opens)
    server = TestServer(app)
    await server.start_server()
    try:
        async with session(connect_timeout_sec=2) as http:
            if answers:
                await passes(http, str(server.make_url("")), {}, LIMITS)
            else:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await passes(http, str(server.make_url("")), {}, LIMITS)
            async with asyncio.timeout(10):
                await closed.wait()  # nothing is left open
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("body", "code"), [('{"error":{"code":"conflict","message":"M."}}', "conflict"), ("<p>", None)]
)
async def test_only_answers_of_ours_are_the_servers_words(body: str, code: str | None) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=409, text=body)

    app = web.Application()
    app.router.add_get("/", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        async with session(connect_timeout_sec=2) as http, http.get(server.make_url("/")) as got:
            own = await own_failure(got)
    finally:
        await server.close()
    assert (own.code if own is not None else None) == code
