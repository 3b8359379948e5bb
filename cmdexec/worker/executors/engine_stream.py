"""One long answer of an engine, read by the event loop: a container's output as it is written, its log, a pull.

A container costs no thread, and reading can be paused: then the engine's buffer fills, and the container waits.
"""

import asyncio
import json
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

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
    connection is closed and that is the error."""

    def __init__(self, request: bytes, take: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self._request, self._take = request, take
        self._head = bytearray()
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
        if self._begun.done():
            self._pass_on(data)
            return
        if self._refused is not None:
            self._refused[1].extend(data[:_BODY_BYTES])
            return
        self._head += data
        head, end, rest = bytes(self._head).partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > _HEAD_BYTES:
                self._fail(ConnectionError("the engine answered with no HTTP"))
            return
        status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/") and head.count(b" ") else b""
        if not status.isdigit():
            self._fail(ConnectionError("the engine answered with no HTTP"))
        elif int(status) in (101, 200):
            self._begun.set_result(None)
            if rest:
                self._pass_on(rest)
        else:
            self._refused = int(status), bytearray(rest)

    def _pass_on(self, data: bytes) -> None:
        try:
            self._take(data)
        except Exception as wrong:
            self._fail(wrong)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, wrong: Exception | None) -> None:
        if self._refused is not None:
            status, body = self._refused
            self._fail(EngineRefusedError(status, words_of(bytes(body))))
        elif not self._begun.done():
            self._fail(wrong or ConnectionResetError("the engine closed the connection"))
        elif not self._over.done():
            if wrong is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(wrong)

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


async def open_stream(
    url: str, method: str, path: str, take: Callable[[bytes], None], *, upgrade: bool = False,
    headers: dict[str, str] | None = None, timeout_sec: float,
) -> EngineStream:  # fmt: skip
    """Ask, and return when the answer has begun. `upgrade`: both sides may send from then on. HTTP/1.0 otherwise: its
    bodies are not cut into chunks. Raises OSError (TimeoutError among them) or EngineRefusedError."""
    lines = [f"{method} {path} HTTP/1.{1 if upgrade else 0}", "Host: engine", "Content-Length: 0"]
    lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    loop = asyncio.get_running_loop()
    stream = EngineStream(request, take)
    try:
        async with asyncio.timeout(timeout_sec):
            if url.startswith("unix://"):
                await loop.create_unix_connection(lambda: stream, url.removeprefix("unix://"))
            else:
                where = urlsplit(url)
                await loop.create_connection(lambda: stream, where.hostname or "localhost", where.port or 80)
            await stream.begun()
    except BaseException:
        stream.close()
        raise
    return stream
