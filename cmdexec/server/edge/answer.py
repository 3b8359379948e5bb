"""Answers as HTTP: the headers that every one carries, and streams that end when their reader does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from cmdexec.errors import Refused, Unavailable
from cmdexec.link.listen import HEADERS_MAX, disconnected
from cmdexec.log import Log
from cmdexec.protocol.codec import encode
from cmdexec.server.api.handler import EVENTS, JSON, Gone, Reply
from cmdexec.server.edge import sse
from cmdexec.server.perform import refusal

_ALWAYS = {
    "Server": "cmdexec",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No page, frame or script is ever made of an answer of the API, and no cache keeps one."""

_MALFORMED = Refused("bad_request", "This is no HTTP request that can be understood.")
_TOO_LONG = Refused(
    "headers_too_large",
    f"The address or a header of this request is longer than allowed, or there are more than {HEADERS_MAX} headers.",
    mend="Ask for less at once; MAX_HEADER_BYTES of the server is the bound of each.",
)


_FULL = Unavailable(
    "overloaded", "This server has as many connections open as it may have.",
    mend="Try again in a moment; MAX_CONNECTIONS of the server is the bound.",
)  # fmt: skip


class _Over(Exception):
    """The reader is gone, may read no more, or the server goes."""


def malformed(status: int) -> web.StreamResponse:
    """The answer to what the HTTP parser could not read."""
    return whole(refusal(_TOO_LONG if status == 431 else _MALFORMED))


def whole(reply: Reply) -> web.Response:
    """An answer that is all there."""
    body = reply.body
    if body is None:
        return web.Response(status=reply.status, headers={**_ALWAYS, **reply.headers})
    is_bytes = isinstance(body, bytes)
    kind = reply.content_type if is_bytes else JSON
    return web.Response(
        body=body if is_bytes else encode(body), status=reply.status,
        headers={**_ALWAYS, "Content-Type": kind, **reply.headers},
    )  # fmt: skip


def _written(reply: Reply) -> bytes:
    """An answer as it is sent on a connection that is not even listened to."""
    body = encode(reply.body) if not isinstance(reply.body, bytes) else reply.body
    headers = {
        **_ALWAYS, "Content-Type": JSON, "Content-Length": str(len(body)), "Connection": "close", **reply.headers,
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n{lines}\r\n".encode() + body


FULL = _written(refusal(_FULL))
"""What a connection is told for which there is no room."""


class Answers:
    """Sends replies. `stopping` ends streams. A reader that is too slow loses its connection (`link.listen`)."""

    def __init__(self, log: Log, stopping: asyncio.Event, *, ping_sec: float) -> None:
        self._log = log
        self._stopping = stopping
        self._ping = ping_sec

    async def send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        """The response; what is a stream has been sent when this returns."""
        if not isinstance(reply.body, AsyncIterator):
            return whole(reply)
        response = web.StreamResponse(
            status=reply.status, headers={**_ALWAYS, "Content-Type": reply.content_type, **reply.headers}
        )
        if reply.length is not None:
            response.content_length = reply.length
        elif request.version >= (1, 1):
            response.enable_chunked_encoding()
        else:
            response.force_close()
        async with contextlib.AsyncExitStack() as at_end:
            close = getattr(reply.body, "aclose", None)
            if close is not None:
                at_end.push_async_callback(close)
            await response.prepare(request)
            if request.method != "HEAD":
                await self._stream(request, response, reply)
        return response

    async def _stream(self, request: web.BaseRequest, response: web.StreamResponse, reply: Reply) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(request, reply.over), name="reader of a stream")
                if reply.content_type == EVENTS:
                    await sse.send(reply.body, response.write, ping_sec=self._ping)
                else:
                    await _pieces(reply.body, response.write)
                watch.cancel()
        except* (_Over, ConnectionError, Unavailable):  # that the store is away it says itself, once
            self._break_off(request)
        except* Exception as faults:
            self._log.error("a stream broke", exc=faults, path=request.path)
            self._break_off(request)

    async def _watch(self, request: web.BaseRequest, over: Gone) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_then_over(disconnected(request)))
            tasks.create_task(_then_over(self._stopping.wait()))
            tasks.create_task(_then_over(over()))

    def _break_off(self, request: web.BaseRequest) -> None:
        """Without the end that a whole answer has: so that its reader knows that more was to come."""
        if request.transport is not None:
            request.transport.abort()


async def _then_over(moment: Awaitable[Any]) -> None:
    await moment
    raise _Over


async def _pieces(pieces: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]) -> None:
    async for piece in pieces:
        await write(piece)
