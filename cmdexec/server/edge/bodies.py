"""Bodies of requests: each bounded in bytes and time, and all of them together in bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from aiohttp import hdrs, web
from aiohttp.web import RequestPayloadError

from cmdexec.clock import Clock
from cmdexec.errors import Refused, Unavailable
from cmdexec.link.listen import giving_way

_GRANTS = 64 * 1024
"""Bytes: each so many that came give the body as long again as it may stall. So trickling has an end, too."""

_FREE = 16 * 1024
"""Bytes of each body that are counted with its connection, not here: so who has nothing but small requests, a login
among them, is not kept out by those who fill the rest."""


class Room:
    """The room that one request takes of what all bodies may take."""

    def __init__(self, bodies: "Bodies") -> None:
        self._bodies = bodies
        self.taken = 0

    def grow(self, size: int) -> None:
        """The body is `size` bytes long by now. Raises Unavailable(`overloaded`)."""
        more = max(0, size - _FREE) - self.taken
        if self._bodies.taken + more > self._bodies.most:
            raise Unavailable(
                "overloaded", "Too many large requests are being read at the moment.",
                mend="Send it again in a moment; MAX_BODIES_BYTES of the server is the bound.",
            )  # fmt: skip
        self._bodies.taken += more
        self.taken += more


class Bodies:
    """Reads bodies. `each`: the most bytes of one; `most`: of all that are being read or carried out."""

    def __init__(self, clock: Clock, *, each: int, most: int, timeout_sec: float) -> None:
        self.most = most
        self.taken = 0
        self._clock = clock
        self._each = each
        self._timeout = timeout_sec

    @contextmanager
    def room(self) -> Iterator[Room]:
        """For one request; what it took is free again at the end."""
        room = Room(self)
        try:
            yield room
        finally:
            self.taken -= room.taken

    async def read(self, request: web.BaseRequest, most: int, room: Room, *, known: bool) -> bytes:
        """The whole body, of at most `most` bytes. The connection of a caller that is not `known` gives way to others
        until it is there. Raises Refused, Unavailable(`overloaded`)."""
        most = min(most, self._each)
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise Refused("unsupported_type", "The body must not be compressed.", mend="Send it without encoding it.")
        if (request.content_length or 0) > most:
            raise _too_large(most)
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            with nullcontext() if known else giving_way(request):
                await self._fill(body, request, most, room)
            return bytes(body)
        finally:
            body.clear()  # what failed refers to this call, and lives until it is collected

    async def _fill(self, body: bytearray, request: web.BaseRequest, most: int, room: Room) -> None:
        started = self._clock.elapsed()
        try:
            while not request.content.at_eof():
                if request.transport is None:
                    raise ConnectionResetError
                async with asyncio.timeout(self._timeout):
                    body += await request.content.readany()
                if self._clock.elapsed() - started > self._timeout * (1 + len(body) / _GRANTS):
                    raise TimeoutError
                if len(body) > most:
                    raise _too_large(most)
                room.grow(len(body))
        except TimeoutError as wrong:
            raise Refused(
                "timeout", f"The body of this request stalled for {self._timeout:g} s.", mend="Send it again."
            ) from wrong
        except (RequestPayloadError, web.HTTPException, ConnectionError) as wrong:
            raise Refused("bad_request", "The body of this request is broken off or malformed.") from wrong


def _too_large(most: int) -> Refused:
    message = f"The body is larger than the {most:,} bytes that this takes."
    return Refused("too_large", message, mend="Send less at once.")
