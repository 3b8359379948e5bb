"""One long answer of an engine, read by the event loop: a container's output as it is written, its log, a pull.

A container costs no thread, and reading can be paused: then the engine's buffer fills, and the container waits.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from cmdexec.worker.executors.engine_body import Body, body_of

_HEAD_BYTES = 64 * 1024
_BODY_BYTES = 64 * 1024


class EngineRefusedError(Exception):
    """The engine answered with a status that says no, and these words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class EngineStream(asyncio.Protocol):
    """One request and the body of its answer. `take` is called with each piece of the body; when it raises, the
    connection is closed and that is the error. `whole` says at the end whether that can be the end. `taken`: how many
    pieces came."""

    def __init__(self, request: bytes, take: Callable[[bytes], None], whole: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        self._request, self._take, self._whole = request, take, whole
        self.taken = 0
        self._head = bytearray()
        self._body: Body | None = None
        self._refused: tuple[int, bytearray] | None = None
        self._begun: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        for future in (self._begun, self._over):
            future.add_done_callback(_heard)

    async def begun(self) -> None:
        """The answer has begun, and is no refusal. Raises EngineRefusedError or OSError."""
        await asyncio.shield(self._begun)

    async def over(self) -> None:
        """All of it has been taken. Raises OSError where it broke."""
        await asyncio.shield(self._over)

    async def over_within(self, seconds: float) -> bool:
        """Whether all of it has been taken, for which that long is waited. Raises OSError where it broke."""
        done, _ = await asyncio.wait([self._over], timeout=seconds)
        if done:
            self._over.result()
        return bool(done)

    def write(self, data: bytes) -> None:
        """Send this, and no more ever after."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def pause(self, paused: bool) -> None:
        """Read no more, or read on."""
        self._paused = paused
        if self._transport is not None and not self._transport.is_closing():
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """Read no more, ever."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)
        if self._paused:
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._body is None:
            self._head += data
            head, end, data = bytes(self._head).partition(b"\r\n\r\n")
            if not end:
                if len(self._head) > _HEAD_BYTES:
                    self._fail(ConnectionError("the engine answered with no HTTP"))
                return
            if not self._began(head):
                return
        try:
            self._pass_on(data)
        except Exception as wrong:
            self._fail(wrong)

    def _began(self, head: bytes) -> bool:
        status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/") and head.count(b" ") else b""
        if not status.isdigit():
            self._fail(ConnectionError("the engine answered with no HTTP"))
            return False
        self._body = body_of(head)
        if int(status) in (101, 200):
            self._begun.set_result(None)
        else:
            self._refused = int(status), bytearray()
        return True

    def _pass_on(self, data: bytes) -> None:
        body = self._body
        if body is None or self._over.done():
            return
        for piece in body.feed(data):
            if self._refused is None:
                self.taken += 1
                self._take(piece)
            else:
                self._refused[1].extend(piece[: _BODY_BYTES - len(self._refused[1])])
        if body.over or (self._refused is not None and len(self._refused[1]) >= _BODY_BYTES):
            self._end()

    def _end(self) -> None:
        """All of the body has come."""
        if self._refused is not None:
            status, words = self._refused
            self._fail(EngineRefusedError(status, words_of(bytes(words))))
        elif not self._over.done():
            if self._whole():
                self._over.set_result(None)
            else:
                self._over.set_exception(ConnectionResetError("the engine's answer broke off"))
            self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, wrong: Exception | None) -> None:
        if self._refused is not None:
            self._end()
        elif not self._begun.done():
            self._fail(wrong or ConnectionResetError("the engine closed the connection"))
        elif wrong is None and self._body is not None and not self._body.marked:
            self._end()
        elif not self._over.done():
            self._over.set_exception(wrong or ConnectionResetError("the engine's answer broke off"))

    def _fail(self, wrong: Exception) -> None:
        for future in (self._begun, self._over):
            if not future.done():
                future.set_exception(wrong)
        self.close()


def _heard(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


def words_of(body: bytes) -> str:
    """What the engine says in a refusal: `{"message": …}`."""
    try:
        said = json.loads(body)
        return str(said["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason is given"


def _always() -> bool:
    return True


async def open_stream(
    url: str, method: str, path: str, take: Callable[[bytes], None], *, upgrade: bool = False,
    whole: Callable[[], bool] = _always, headers: dict[str, str] | None = None, timeout_sec: float,
) -> EngineStream:  # fmt: skip
    """Ask, and return when the answer has begun. `upgrade`: both sides may send from then on, and nothing but the
    connection's end marks the end. Raises OSError (TimeoutError among them) or EngineRefusedError."""
    lines = [f"{method} {path} HTTP/1.1", "Host: engine", "Content-Length: 0"]
    lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else ["Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    loop = asyncio.get_running_loop()
    stream = EngineStream(request, take, whole)
    try:
        async with asyncio.timeout(timeout_sec):
            if url.startswith("unix://"):
                await loop.create_unix_connection(lambda: stream, url.removeprefix("unix://"))
            else:
                where = urlsplit(url)
                transport, _ = await loop.create_connection(
                    lambda: stream, where.hostname or "localhost", where.port or 80
                )
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await stream.begun()
    except BaseException:
        stream.close()
        raise
    return stream
