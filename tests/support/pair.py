"""One connection through a proxy: what carries its bytes, how slowly, and how it ends."""

import asyncio
import contextlib
import math
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

Direction = Literal["there", "back"]
BOTH: tuple[Direction, ...] = get_args(Direction)
"""To the server, and from it."""

Silent = Literal["swallows", "stands still"]
"""How a connection is half open. swallows: what is sent is acknowledged by the system, and nothing more. stands still:
nobody reads it, so the system's buffers fill."""
SILENT: tuple[Silent, ...] = get_args(Silent)

Lost = Literal["none", "cut"]
"""What is lost of an answer: all of it, or the end."""

HEAD_END = b"\r\n\r\n"
_PIECE = 64 * 1024
_UNDER_WAY = 1 << 20
_PAGE = b"<html>The proxy says no.</html>"


class Ports(NamedTuple):
    """Of one connection: that of the client's end of it, and that by which the server knows it."""

    client: int
    server: int


@dataclass
class Pace:
    """How slow a line is: how late a piece comes, and how much comes in a second.

    delay_sec    a piece is held so long, and what follows waits behind it
    latency_sec  each piece comes so much later, however many are under way
    slice_bytes  the most that comes at once
    """

    delay_sec: float = 0.0
    bytes_per_sec: float = math.inf
    latency_sec: float = 0.0
    slice_bytes: int = _PIECE
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def piece(self) -> int:
        """The most that is read at once: of a slow line a twentieth of a second."""
        return max(1, int(min(self.slice_bytes, self.bytes_per_sec / 20)))

    async def carry(self, size: int) -> None:
        """As long as a piece of that size takes."""
        wait = self.delay_sec + size / self.bytes_per_sec
        if wait:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.over.wait()


class _Wire:
    """One direction of a connection. What is given to it comes out in its order, as late as the pace says.

    left  how many bytes it still carries; `spent` is called at the end of them
    """

    def __init__(self, writer: asyncio.StreamWriter, pace: Pace, spent: Callable[[], None]) -> None:
        self._writer, self._pace, self._spent = writer, pace, spent
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.left: int | None = None

    async def send(self, data: bytes) -> None:
        if not self._pace.latency_sec and not self._under_way:
            self._carried(data)
        else:
            due = self._loop.time() + self._pace.latency_sec
            self._last = due if due > self._last else math.nextafter(self._last, math.inf)
            self._under_way += len(data)
            self._idle.clear()
            self._loop.call_at(self._last, self._arrived, data)
            if self._under_way > _UNDER_WAY:
                await self._idle.wait()
        await self._writer.drain()

    async def emptied(self) -> None:
        """Nothing is under way."""
        await self._idle.wait()

    def _arrived(self, data: bytes) -> None:
        self._under_way -= len(data)
        if not self._under_way:
            self._idle.set()
        self._carried(data)

    def _carried(self, data: bytes) -> None:
        if self._writer.is_closing():
            return
        if self.left is None:
            self._writer.write(data)
            return
        self._writer.write(data[: self.left])
        self.left -= len(data)
        if self.left <= 0:
            self._spent()


class Pair:
    """Both connections of one client; `here` leads to it, `there` to the server.

    silent  it is half open: neither end is told anything any more, not even that the other is gone
    loses   what is lost of the next answer
    broke   it was reset in the midst of what the server said
    """

    def __init__(
        self, here: asyncio.StreamWriter, there: asyncio.StreamWriter, pace: Pace,
        passes: Mapping[Direction, asyncio.Event],
    ) -> None:  # fmt: skip
        self.here, self.there, self._pace = here, there, pace
        self._passes = passes
        self.frozen = self.freeze_after_head = self.broke = False
        self.silent: Silent | None = None
        self.loses: Lost | None = None
        self._to_there, self._to_here = _Wire(there, pace, self.reset), _Wire(here, pace, self._break)

    @property
    def ports(self) -> Ports:
        """By which its ends are known."""
        return Ports(self.here.get_extra_info("peername")[1], self.there.get_extra_info("sockname")[1])

    def break_after(self, size: int) -> None:
        """Reset it when so many more bytes have come from the server."""
        self._to_here.left = size

    async def send_slices(self, data: bytes) -> None:
        """To the server, as slowly as the line is where it carries little at once."""
        size = self._pace.slice_bytes
        if size == _PIECE:
            await self.send_there(data)
            return
        for start in range(0, len(data), size):
            await self._pace.carry(min(size, len(data) - start))
            await self.send_there(data[start : start + size])

    async def send_there(self, data: bytes) -> None:
        """To the server, as soon as anything passes."""
        await self._passes["there"].wait()
        if self.silent is None:
            await self._to_there.send(data)

    def page(self, status: bytes) -> None:
        """Answer with a page of the proxy's own."""
        head = b"HTTP/1.1 %b No\r\nContent-Type: text/html\r\nContent-Length: %d" % (status, len(_PAGE))
        self.here.write(head + HEAD_END + _PAGE)

    async def back(self, reader: asyncio.StreamReader) -> None:
        """What the server says, to the client."""
        with contextlib.suppress(OSError):
            while data := await reader.read(self._pace.piece):
                await self._pace.carry(len(data))
                if self.frozen or self.silent:
                    continue
                await self._passes["back"].wait()
                if self.silent:
                    continue
                if self.freeze_after_head and HEAD_END in data:
                    data, self.frozen = data[: data.index(HEAD_END) + len(HEAD_END)], True
                if self.loses == "none":
                    self.reset()
                    return
                if self.loses == "cut" and HEAD_END in data:
                    self.here.write(data[: data.index(HEAD_END) + len(HEAD_END) + 1])
                    break
                await self._to_here.send(data)
            if self.silent is None:
                await self._to_here.emptied()
                self.here.close()

    def fall_silent(self, how: Silent) -> None:
        """Half open from now on."""
        self.silent = how
        if how == "stands still":
            for writer in (self.here, self.there):
                writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def left(self) -> None:
        """The client is gone, or says no more."""
        if self.silent is not None:
            self.here.close()
            return
        await self._to_there.emptied()
        self.close()

    def _break(self) -> None:
        self.broke = True
        self.reset()

    def reset(self) -> None:
        reset(self.here)
        reset(self.there)

    def close(self) -> None:
        self.here.close()
        self.there.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close it as a crash does: with RST."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
