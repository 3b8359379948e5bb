"""Many workers that do nothing, over real sockets: each registers, sends its heartbeats and answers pings."""

import asyncio
from typing import Any

import aiohttp
import msgspec

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.parts import Say
from cmdexec.admin.bench.processes_posix import allow_files
from cmdexec.link.http import connect, session
from cmdexec.link.socket import Limits
from cmdexec.protocol.codec import ask, decode_frames, encode
from cmdexec.protocol.messages import Heartbeat, Register, Registered, Stats
from cmdexec.runtime import Runtime
from cmdexec.settings.load import make
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.token import signed_token

_CONNECTING = 32
_CONNECT_SEC = 30.0
_STATS = Stats(cpu=0.01, load=0.1, memory_used_bytes=1 << 30, memory_total_bytes=4 << 30, running=0)


async def run(runtime: Runtime, told: Any, say: Say) -> None:
    """`told`: {url, secret, count}. Says {connected} once all have registered; goes on until it is let go."""
    allow_files(told["count"] + 200)
    settings = make(WorkerSettings, server_url=told["url"])
    limits, door = Limits.of(settings), asyncio.Semaphore(_CONNECTING)
    async with (
        session(connect_timeout_sec=_CONNECT_SEC, connections=told["count"]) as http,
        asyncio.TaskGroup() as group,
    ):
        members = [
            _Member(runtime, http, limits, told["url"], told["secret"], f"bench-{n}") for n in range(told["count"])
        ]
        joining = [group.create_task(member.join(door)) for member in members]
        for task in joining:
            await task
        for member in members:
            group.create_task(member.read())
            group.create_task(member.beat())
        say({"connected": len(members)})


class _Member:
    def __init__(
        self, runtime: Runtime, http: aiohttp.ClientSession, limits: Limits, url: str, secret: str, name: str
    ) -> None:
        self._runtime = runtime
        self._http = http
        self._limits = limits
        self._url = url
        self._name = name
        token = signed_token(secret, name, runtime.clock, lifetime_sec=3600, skew_sec=5)
        self._headers = {"x-worker-token": token}
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._heartbeat_sec = 0.0

    async def join(self, door: asyncio.Semaphore) -> None:
        async with door:
            self._ws = await connect(self._http, self._url, self._headers, self._limits)
            me = Register(name=self._name, session=self._name, instance_id=self._name, slots=4)
            await self._send("register", me, 1)
            while not self._heartbeat_sec:
                self._heard(await self._ws.receive())
            await self._send("heartbeat", Heartbeat(jobs=(), seq=1, stats=_STATS), 2)

    async def read(self) -> None:
        if self._ws is not None:
            async for message in self._ws:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
        raise failed(f"The server closed the socket of {self._name}.")

    async def beat(self) -> None:
        """From a moment of its own on, so that they do not all come at once."""
        number = 2
        await self._runtime.clock.sleep(self._runtime.rng.random() * self._heartbeat_sec)
        while True:
            await self._send("heartbeat", Heartbeat(jobs=(), seq=number, stats=_STATS), number + 1)
            number += 1
            await self._runtime.clock.sleep(self._heartbeat_sec)

    async def _send(self, op: str, item: Any, number: int) -> None:
        if self._ws is not None:
            await self._ws.send_str(encode([ask(op, [item], number)]).decode())

    def _heard(self, message: aiohttp.WSMessage) -> None:
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise failed(f"The server does not let {self._name} register: {message.extra or message.type.name}.")
        for frame in decode_frames(message.data):
            if frame.re == 1:
                (said,) = msgspec.json.decode(frame.items, type=tuple[Registered, ...])
                self._heartbeat_sec = said.heartbeat_sec
