"""Both ends of a connection read less at once than asyncio does by itself."""

import asyncio
from typing import Any

from aiohttp import web

from cmdexec.link.http import connect, session
from cmdexec.link.reads import READ_BYTES, read_less
from cmdexec.link.socket import Limits
from tests.unit.link.test_http import serving

LIMITS = Limits(65536, 0.003, 64, 100, 1_000_000, 2.0, 15.0)


async def test_both_ends_of_a_connection_and_of_a_socket_read_less_at_once() -> None:
    transports: list[Any] = []
    seen = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        transports.append(request.transport)
        if request.path != "/ws":
            response = web.StreamResponse()
            await response.prepare(request)
            await seen.wait()
            return response
        upgrade = web.WebSocketResponse(protocols=request.headers.getall("Sec-WebSocket-Protocol"))
        await upgrade.prepare(request)
        await upgrade.receive()
        return upgrade

    async with serving(handle) as door, session(connect_timeout_sec=2) as http:
        async with http.get(door.url) as answer:
            assert answer.connection is not None
            transports.append(answer.connection.transport)
            seen.set()
        ws = await connect(http, door.url, {}, LIMITS)
        await ws.close()
    assert [one.max_size for one in transports] == [READ_BYTES] * 3


async def test_what_does_not_say_how_much_it_reads_is_left_as_it_is() -> None:
    plain = asyncio.BaseTransport()
    read_less(plain)
    read_less(None)
    assert not hasattr(plain, "max_size")
