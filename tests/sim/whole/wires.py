"""The network between workers and their server: sockets whose bytes take time, are held up, or never come.

An `End` stands where the library's WebSocket does, under the product's own `link.socket.Socket`. What one end sends
comes whole and in its order, or not at all: when a wire breaks, what is under way is gone, and each end hears of it in
its time.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSMessage, WSMsgType

from tests.sim.whole.loop import VirtualLoop

FAST = (0.0005, 0.02)
_ROOM = 256 * 1024
"""Bytes under way one way, at which the sender waits."""

Seen = Callable[[str, str, bytes], None]
"""What came to whom (from, to, message), for a story."""


class Direction:
    """From one end to the other."""

    def __init__(self, wire: "Wire", sender: "End", receiver: "End") -> None:
        self.wire, self.sender, self.receiver = wire, sender, receiver
        self.under_way: deque[tuple[float, WSMessage, int]] = deque()
        self.bytes = 0
        self.last_at = 0.0
        self.silent = False
        self.room = asyncio.Event()

    def send(self, message: WSMessage, size: int) -> None:
        wire = self.wire
        at = max(self.last_at, wire.loop.time() + wire.latency())
        self.last_at = at
        self.under_way.append((at, message, size))
        self.bytes += size
        wire.loop.call_at(at, self.arrive, context=wire.loop.world)

    def arrive(self) -> None:
        """What has had its time is there, unless the direction is silent."""
        while self.under_way and not self.silent and not self.wire.broken:
            at, message, size = self.under_way[0]
            if at > self.wire.loop.time():
                return
            self.under_way.popleft()
            self.bytes -= size
            self.room.set()
            if self.wire.seen is not None and isinstance(message.data, bytes):
                self.wire.seen(self.sender.name, self.receiver.name, message.data)
            self.receiver.come(message)

    def silence(self, silent: bool) -> None:
        self.silent = silent
        self.arrive()


class End:
    """One end of a wire: as much of a WebSocket as `link.socket` asks for."""

    def __init__(self, wire: "Wire", name: str) -> None:
        self.name = name
        self.out: Direction
        self.close_code: int | None = None
        self._wire = wire
        self._inbox: deque[WSMessage] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._over = self._closing = False

    def come(self, message: WSMessage) -> None:
        """A message has come."""
        if self._over:
            return
        self._over = message.type not in (WSMsgType.TEXT, WSMsgType.BINARY)
        self._inbox.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, code: int) -> None:
        """It hears that the wire is broken."""
        if not self._over:
            self.close_code = code
            self.come(WSMessage(WSMsgType.CLOSED, None, None))
        self.out.room.set()

    async def receive(self) -> WSMessage:
        while not self._inbox:
            if self._over:
                return WSMessage(WSMsgType.CLOSED, None, None)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._inbox.popleft()

    async def send_frame(self, payload: bytes, kind: WSMsgType) -> None:
        if self._over or self._closing:
            raise ConnectionResetError("the wire is closed")
        self.out.send(WSMessage(kind, bytes(payload), None), len(payload))
        while self.out.bytes > _ROOM and not self._over:
            self.out.room.clear()
            await self.out.room.wait()

    async def close(self, *, code: int = 1000, message: bytes = b"") -> None:
        if self._over or self._closing:
            return
        self._closing = True
        self.out.send(WSMessage(WSMsgType.CLOSE, code, message.decode()), 0)
        self.come(WSMessage(WSMsgType.CLOSING, None, None))

    def get_extra_info(self, _name: str) -> Any:
        return None


class Wire:
    """One socket. `ping_sec`: after so long a silence an end asks, and half as long again after that gives up."""

    def __init__(
        self, loop: VirtualLoop, rng: random.Random, names: tuple[str, str], *, ping_sec: float, seen: Seen | None
    ) -> None:
        self.loop, self.rng, self.seen = loop, rng, seen
        self.slow = FAST
        self.broken = False
        self.ping_sec = ping_sec
        self.worker, self.server = End(self, names[0]), End(self, names[1])
        self.up = self.worker.out = Direction(self, self.worker, self.server)
        self.down = self.server.out = Direction(self, self.server, self.worker)

    def latency(self) -> float:
        return self.rng.uniform(*self.slow)

    def break_off(self, *, soon: bool = False) -> None:
        """What is under way is gone. `soon`: both ends hear of it at once; else by their pings."""
        if self.broken:
            return
        self.broken = True
        for end in (self.worker, self.server):
            after = (
                self.rng.uniform(*FAST) if soon or self.rng.random() < 0.5 else self.rng.uniform(0, 2 * self.ping_sec)
            )
            self.loop.call_later(after, end.end, 1006, context=self.loop.world)

    def silence(self, direction: Direction, seconds: float) -> None:
        """Nothing passes that way for so long; when the pings' answers stay away, the ends give up."""
        direction.silence(True)
        if seconds > 1.5 * self.ping_sec:
            self.loop.call_later(1.5 * self.ping_sec, self.break_off, context=self.loop.world)
        else:
            self.loop.call_later(seconds, direction.silence, False, context=self.loop.world)
