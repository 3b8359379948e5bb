"""A WebSocket's life, the same at both ends.

    1. upgrade       by `http.connect` or by the server's edge, with a deadline, Host and Origin checked
    2. identity      the credential of the upgrade, once; it holds for the whole socket
    3. `run`         reads message by message and hands each to the handler, one after the other
    4. `put`         from anywhere on the event loop; what waits is sent when the loop comes to it, joined into lists of
                     frames, or at once by `flush`; where the network does not take it, a writer task waits for that
    5. `close`       what waits is still sent, then the code and a sentence; the other end's close ends `run` as well

How to use it::

    socket = Socket(ws, Limits.of(settings), runtime)
    socket.put(ask("register", [me], 1))            # never blocks; may be called before `run`
    ended = await socket.run(handler)               # a `Handler`; until either end closes it
    if ended.code == Close.REPLACED: …

What is put goes out at once while there is little to send. From more than `_BUSY_ITEMS` items in twice `flush_sec` on,
frames wait up to `flush_sec` for company, the busier the longer, at most twice that; or until `flush_items` or
`_BULK_BYTES` wait. So put the frames of one turn without an `await` between them: they share a message.
"""

import asyncio
import contextlib
import socket as sockets
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import ClientWebSocketResponse, WSMsgType

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.begun import Begun, begin
from cmdexec.link.pool import Pool
from cmdexec.protocol.codec import Frame, ask, decode_frames, encode, pack_output, unpack_output
from cmdexec.protocol.messages import Failure, OutputHeader
from cmdexec.runtime import Runtime
from cmdexec.settings.server import ServerSettings
from cmdexec.settings.worker import WorkerSettings

if TYPE_CHECKING:
    from aiohttp.web import WebSocketResponse  # only a server needs the library's own server loaded

_BUSY_ITEMS = 6
_BULK_BYTES = 64 * 1024
_REASON_BYTES = 123
"""All that a close frame has room for (RFC 6455, 5.5)."""


class Close(IntEnum):
    """Why a socket was closed. Those from 4400 on are ours; the others are of RFC 6455, 7.4.1."""

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    INTERNAL = 1011
    BAD_FRAME = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    TOO_SLOW = 4408
    REPLACED = 4409
    TOO_LARGE = 4413

    @classmethod
    def because_of(cls, wrong: CmdexecError) -> "Close":
        """The code for what a message led to."""
        if isinstance(wrong, Unavailable):
            return cls.GOING_AWAY
        return cls.TOO_LARGE if wrong.code == "too_large" else cls.BAD_FRAME


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a socket, in seconds and bytes; `max_message` is that of one message, either way."""

    max_message: int
    flush_sec: float
    flush_items: int
    queue_items: int
    queue_bytes: int
    send_timeout_sec: float
    ping_sec: float

    @classmethod
    def of(cls, settings: ServerSettings | WorkerSettings) -> "Limits":
        """As the settings say."""
        return cls(
            max_message=settings.max_frame_bytes,
            flush_sec=settings.flush_ms / 1000,
            flush_items=settings.flush_items,
            queue_items=settings.socket_queue_items,
            queue_bytes=settings.socket_queue_bytes,
            send_timeout_sec=settings.socket_send_timeout_sec,
            ping_sec=settings.socket_ping_sec,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a socket ended: the code, the sentence if there was one, and whether this end began it."""

    code: int
    reason: str
    ours: bool


class Handler(Protocol):
    """What is done with messages. The next is read when the call has returned, so what blocks here slows the other end.

    Raising a CmdexecError closes the socket with its sentence, after a frame `error`: with 1001 for Unavailable, 4413
    for `too_large`, else 4400.
    """

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        """All frames of one message, in their order."""
        ...

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        """A binary message; `data` is good for as long as it is referred to."""
        ...


class Socket:
    """One socket. `put`, `put_output` and `close` never block; after the end they do nothing. `pool`: what waits here
    is bounded together with what waits at others."""

    def __init__(
        self, ws: "WebSocketResponse | ClientWebSocketResponse", limits: Limits, runtime: Runtime,
        pool: Pool | None = None,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._ws = ws
        self._limits = limits
        self._clock = runtime.clock
        self._log = runtime.log
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._items = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._soon: asyncio.Handle | None = None
        self._begun: Begun | None = None
        self._taken = 0
        self._running = False
        self._level = 0.0
        self._moment = self._flushed = self._clock.elapsed()
        self._crowded: float | None = None
        self._end: Ended | None = None
        self._gone = False

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return self._bytes

    @property
    def ended(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._end is not None

    def put(self, frame: Any) -> None:
        """Send a frame (`codec.ask`, `codec.answer`) soon, in the order of the calls.

        A frame larger than a message is split by its items; Refused("too_large") if that does not help. If more waits
        than may, or if for `send_timeout_sec` more than half of that, the socket is cut as too slow: who has much to
        say looks at `waiting_bytes`, or asks for `room`.
        """
        if self._end is not None:
            return
        data = encode(frame)
        if len(data) + 2 <= self._limits.max_message:
            self._push(data, binary=False, items=max(1, len(frame.items)))
        elif frame.re is None and frame.id is None and len(frame.items) > 1:
            half = len(frame.items) // 2
            self.put(ask(frame.op, frame.items[:half]))
            self.put(ask(frame.op, frame.items[half:]))
        else:
            raise Refused("too_large", "This frame is larger than a message may be.", mend="Send fewer items at once.")

    @property
    def settled(self) -> bool:
        """Nothing that the other end sent before its last answer is under way: frames come in their order."""
        return True

    def flush(self) -> None:
        """Send what waits now: for who has said all that belongs together, while there is much else to do in this turn
        of the loop. While there is much to send, that goes on to wait for company."""
        if self._soon is not None and not isinstance(self._soon, asyncio.TimerHandle):
            self._send()

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        """Send a binary message soon. Ask for `room` before, where there may be much of it."""
        if self._end is None:
            self._push(pack_output(header, data), binary=True, items=1)

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of the queue free. Where nothing waits, there is room for anything."""
        half_free = len(self._waiting) * 2 < self._limits.queue_items
        return not self._waiting or (half_free and self._bytes + size <= self._limits.queue_bytes // 2)

    async def room(self, size: int) -> None:
        """Wait until there is room for `size` more bytes. Raises Unavailable("server_away") at the end."""
        while self._end is None and not self.has_room(size):
            self._room.clear()
            await self._room.wait()
        if self._end is not None:
            raise Unavailable("server_away", "The socket was closed.")

    def close(self, code: int = Close.NORMAL, sentence: str = "") -> None:
        """End it: what waits is sent, then the code and the sentence. The first call counts."""
        if self._end is None:
            self._end = Ended(code, sentence, ours=True)
            self._room.set()
            self._wake.set()

    async def run(self, handler: Handler) -> Ended:
        """Read until either end closes; returns how it ended. Cancelling it cuts the socket."""
        raw: sockets.socket | None = self._ws.get_extra_info("socket")
        try:
            async with asyncio.TaskGroup() as tasks:
                self._running = True
                self._send()
                tasks.create_task(self._write(), name="socket writer")
                await self._read(handler)
                self._gone = True
                self._wake.set()
        finally:
            self._send_by(None)
            if self._begun is not None:
                self._begun.close()
            self._drop()
            self._note(Close.ABNORMAL, "")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.shutdown(sockets.SHUT_RDWR)
        return self._end or Ended(Close.ABNORMAL, "", ours=False)

    # Reading

    async def _read(self, handler: Handler) -> None:
        while True:
            message = await self._ws.receive()
            if self._end is not None and message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue  # it came while we were closing: its sender gets no answer and says it again elsewhere
            try:
                if message.type is WSMsgType.TEXT:
                    await handler.frames(decode_frames(message.data))
                elif message.type is WSMsgType.BINARY:
                    header, data = unpack_output(message.data)
                    await handler.output(header, data)
                else:
                    # The library's own code says "broken" where the other end was gone before our answer to its close.
                    told = message.data if message.type is WSMsgType.CLOSE else self._ws.close_code
                    self._note(told or Close.ABNORMAL, message.extra or "")
                    return
            except CmdexecError as wrong:
                self._refuse(wrong)
            except Exception as fault:
                self._log.error("a socket's message could not be handled", exc=fault)
                self.close(Close.INTERNAL, "The message could not be handled; the cause is in the log.")

    def _refuse(self, wrong: CmdexecError) -> None:
        with contextlib.suppress(CmdexecError):
            self.put(ask("error", [Failure(wrong.code, wrong.message, wrong.field, wrong.mend)]))
        self.close(Close.because_of(wrong), wrong.message)

    def _note(self, code: int, reason: str) -> None:
        """The other end, or the network, ended it."""
        if self._end is None:
            self._end = Ended(code, reason, ours=False)
        self._room.set()

    # Writing

    def _push(self, data: bytes, *, binary: bool, items: int) -> None:
        limits, now = self._limits, self._clock.elapsed()
        self._waiting.append((data, binary))
        self._items += items
        self._bytes += len(data)
        if self._pool is not None:
            self._pool.take(self, len(data))
            if self._end is not None:
                return None
        if self._items > 1 and (len(self._waiting) > limits.queue_items or self._bytes > limits.queue_bytes):
            return self.cut()
        if len(self._waiting) * 2 <= limits.queue_items and self._bytes * 2 <= limits.queue_bytes:
            self._crowded = None
        elif self._crowded is None:
            self._crowded = now
        elif now - self._crowded > limits.send_timeout_sec:
            return self.cut()
        if limits.flush_sec:
            leaked = (now - self._moment) * _BUSY_ITEMS / (2 * limits.flush_sec)
            self._level = min(max(0.0, self._level - leaked) + items, 2.0 * _BUSY_ITEMS)
            self._moment = now
        if self._level <= _BUSY_ITEMS or self._items >= limits.flush_items or self._bytes >= _BULK_BYTES:
            if self._soon is None or isinstance(self._soon, asyncio.TimerHandle):
                self._send_by(self._loop.call_soon(self._send))
        elif self._soon is None:
            wait = max(0.0, self._flushed + limits.flush_sec * self._level / _BUSY_ITEMS - now)
            self._send_by(self._loop.call_later(wait, self._send))
        return None

    def _send_by(self, soon: asyncio.Handle | None) -> None:
        if self._soon is not None:
            self._soon.cancel()
        self._soon = soon

    def _drop(self) -> None:
        if self._pool is not None:
            self._pool.give_back(self, self._bytes)
        self._waiting.clear()
        self._bytes = self._items = 0

    def cut(self) -> None:
        """Too slow: what waits is dropped, so that its memory is free at once."""
        self._drop()
        self.close(Close.TOO_SLOW, "Too slow: more was waiting to be sent than may wait.")

    def _send(self) -> None:
        """Send what waits, as far as the network takes it; the writer goes on from there."""
        self._send_by(None)
        if self._begun is not None or not self._running:
            return
        try:
            while self._waiting and not self._gone:
                payload, binary, self._taken = self._take()
                try:
                    self._begun = begin(self._ws.send_frame(payload, WSMsgType.BINARY if binary else WSMsgType.TEXT))
                finally:
                    if self._begun is None:
                        self._sent()
                if self._begun is not None:
                    self._wake.set()
                    return
        except (OSError, RuntimeError):
            self._break_off()

    def _sent(self) -> None:
        if self._pool is not None:
            self._pool.give_back(self, self._taken)
        self._flushed = self._clock.elapsed()
        self._room.set()

    async def _write(self) -> None:
        """Wait for the network, where it has no room, and for the end."""
        try:
            while not self._gone:
                await self._wake.wait()
                self._wake.clear()
                await self._send_all()
                if self._end is not None and self._end.ours and not self._gone:
                    reason = self._end.reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()
                    async with asyncio.timeout(self._limits.send_timeout_sec):
                        await self._ws.close(code=self._end.code, message=reason)
                    return
        except (OSError, TimeoutError, RuntimeError):
            self._break_off()

    async def _send_all(self) -> None:
        self._send()
        while (begun := self._begun) is not None and not self._gone:
            try:
                async with asyncio.timeout(self._limits.send_timeout_sec):
                    await begun
            finally:
                self._begun = None
                self._sent()
            self._send()

    def _break_off(self) -> None:
        self._note(Close.ABNORMAL, "It could not be written to.")
        self._hang_up()

    def _take(self) -> tuple[bytes, bool, int]:
        """The next message, a binary one or as many frames as fit, and how much less waits now."""
        data, binary = self._waiting.popleft()
        taken = len(data)
        if not binary:
            frames, size = [data], len(data) + 2
            most = self._limits.max_message
            while self._waiting and not self._waiting[0][1] and size + len(self._waiting[0][0]) < most:
                frames.append(self._waiting.popleft()[0])
                size += len(frames[-1]) + 1
                taken += len(frames[-1])
            data = b"".join((b"[", b",".join(frames), b"]"))
        self._bytes -= taken
        if not self._waiting:
            self._items = 0
        return data, binary, taken

    def _hang_up(self) -> None:
        raw: sockets.socket | None = self._ws.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.shutdown(sockets.SHUT_RDWR)
