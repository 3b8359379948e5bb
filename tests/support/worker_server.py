"""A server as a worker sees it, over a real socket: it grants, stores and answers, unless a test says otherwise."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from cmdexec.link.http import SERVER_NAME
from cmdexec.protocol.codec import answer, ask, decode_frames, encode, unpack_output
from cmdexec.protocol.messages import (
    Assignment,
    Beat,
    Done,
    Heartbeat,
    Held,
    OutputAck,
    OutputHeader,
    Register,
    Registered,
    Released,
    Told,
)  # fmt: skip
from cmdexec.worker.run import run_worker
from tests.support.worker import worker_settings

SECRET = "a-secret-that-only-tests-share-0123456789"
DECODERS: dict[str, Any] = {
    "register": msgspec.json.Decoder(list[Register]),
    "heartbeat": msgspec.json.Decoder(list[Heartbeat]),
    "start": msgspec.json.Decoder(list[Held]),
    "released": msgspec.json.Decoder(list[Released]),
    "done": msgspec.json.Decoder(list[Done]),
}

Say = Callable[[str, Any], Any]


def told(about: Any, tell: str, **more: Any) -> Told:
    """The answer about an attempt."""
    return Told(job_id=about.job_id, attempt=about.attempt, tell=cast(Any, tell), **more)


class WorkerServer:
    """One server for one worker. `said` holds all that came, as (op, item), in order.

    say         what to answer to an item: by default `go`, `ok`, a `Beat`; a test may put its own in its place, and
                `None` answers nothing at all
    acks        whether stored output is acknowledged
    keeps       whether output is kept, or only its length
    stored      (job, attempt, stream) → its bytes, appended in order only
    refuse      answers the upgrade with this status
    words       and says so in these words, as an answer's body
    joins       what was asked to join with, as (body, headers)
    join        answers that, with a status and a body
    """

    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []
        self.say: Say = self.usual
        self.acks = True
        self.keeps = True
        self.lengths: dict[tuple[str, int, str], int] = {}
        self.stored: dict[tuple[str, int, str], bytearray] = {}
        self.repeats = 0
        self.refuse: int | None = None
        self.words: dict[str, Any] | None = None
        self.joins: list[dict[str, Any]] = []
        self.join: Callable[[dict[str, Any]], tuple[int, Any]] = lambda _asked: (
            200, {"workerId": "a-new-worker", "labels": {}},
        )  # fmt: skip
        self.connections = 0
        self.headers: list[dict[str, str]] = []
        self.heartbeat_sec = 0.2
        self.lease_sec = 10.0
        self.output_limit = 10**9
        self.ws: web.WebSocketResponse | None = None
        self._changed = asyncio.Event()
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_post("/api/workers/join", self._joins)
        self._server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def open(self) -> None:
        await self._server.start_server()

    async def close(self) -> None:
        await self._server.close()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        self.headers.append(dict(request.headers))
        self._changed.set()
        if self.refuse is not None:
            body = None if self.words is None else encode({"error": self.words})
            return web.Response(status=self.refuse, headers={"Server": SERVER_NAME}, body=body)
        ws = web.WebSocketResponse(protocols=("cmdexec.v1",), max_msg_size=8 * 1024 * 1024)
        await ws.prepare(request)
        self.ws = ws
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._text(ws, message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._binary(ws, message.data)
                self._changed.set()
        except ConnectionError:
            pass
        self._changed.set()
        return ws

    async def _joins(self, request: web.Request) -> web.StreamResponse:
        self.joins.append(await request.json())
        status, body = self.join(self.joins[-1])
        self._changed.set()
        if status == 0:  # it carries that out, and nobody hears of it
            self.break_off(request)
        return web.Response(status=status, headers={"Server": SERVER_NAME, "Retry-After": "0.1"}, body=encode(body))

    @staticmethod
    def break_off(request: web.Request) -> None:
        """The connection breaks before the answer."""
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError

    async def _text(self, ws: web.WebSocketResponse, text: str) -> None:
        answers = []
        for frame in decode_frames(text):
            items = DECODERS[frame.op or ""].decode(frame.items)
            self.said.extend((frame.op or "", item) for item in items)
            replies = [self.say(frame.op or "", item) for item in items]
            if frame.id is not None and all(reply is not None for reply in replies):
                answers.append(answer(frame.id, replies))
        if answers:
            await ws.send_str(encode(answers).decode())

    def usual(self, op: str, item: Any) -> Any:
        """What a server in good order answers."""
        if op == "register":
            return Registered(
                worker_id=item.worker_id or "w", session=item.session, lease_sec=self.lease_sec,
                heartbeat_sec=self.heartbeat_sec, max_frame_bytes=2**20, output_limit_bytes=self.output_limit,
            )  # fmt: skip
        if op == "heartbeat":
            return Beat(lease_sec=self.lease_sec, heartbeat_sec=self.heartbeat_sec)
        if op == "done":
            return self.take(item)
        return told(item, "go" if op == "start" else "ok")

    def take(self, done: Done) -> Told:
        """Store what rides in a result; `resend` when output before it is missing."""
        for stream in ("stdout", "stderr"):
            riding, end = getattr(done.inline, stream), getattr(done.output, stream).bytes
            have = self.length(done, stream)
            if end - len(riding) > have:
                return told(done, "resend", stdout=self.length(done, "stdout"), stderr=self.length(done, "stderr"))
            if end > have:
                self._add(OutputHeader(job_id=done.job_id, attempt=done.attempt, stream=stream, offset=have),
                          riding[have - end :])  # fmt: skip
        return told(done, "ok")

    def length(self, about: Any, stream: str) -> int:
        key = (about.job_id, about.attempt, stream)
        return len(self.stored.get(key, b"")) if self.keeps else self.lengths.get(key, 0)

    async def _binary(self, ws: web.WebSocketResponse, data: bytes) -> None:
        header, piece = unpack_output(data)
        self.said.append(("output", header))
        have = self.length(header, header.stream)
        self.repeats += header.offset < have
        if header.offset <= have:
            self._add(header, bytes(piece)[have - header.offset :])
        if self.acks:
            ack = self.ack_of(header, "resend" if header.offset > have else "ok")
            await ws.send_str(encode([ask("ack", [ack])]).decode())

    def _add(self, header: OutputHeader, new: bytes) -> None:
        key = (header.job_id, header.attempt, header.stream)
        if self.keeps:
            self.stored.setdefault(key, bytearray()).extend(new)
        else:
            self.lengths[key] = self.lengths.get(key, 0) + len(new)

    def ack_of(self, about: Any, tell: str = "ok", **more: Any) -> OutputAck:
        return OutputAck(
            job_id=about.job_id, attempt=about.attempt, stdout=self.length(about, "stdout"),
            stderr=self.length(about, "stderr"), tell=cast(Any, tell), **more,
        )  # fmt: skip

    async def send(self, op: str, *items: Any) -> None:
        """Say something unasked."""
        assert self.ws is not None
        await self.ws.send_str(encode([ask(op, items)]).decode())

    async def assign(self, *assignments: Assignment) -> None:
        await self.send("assign", *assignments)

    def cut(self) -> None:
        """Break the connection without a word."""
        assert self.ws is not None
        transport = self.ws.get_extra_info("socket")
        transport.shutdown(2)

    async def until(self, fact: Callable[[], Any], what: str, within: float = 10.0) -> Any:
        """Wait until `fact` is true, looking whenever something comes."""
        try:
            async with asyncio.timeout(within):
                while not (found := fact()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s: {what}; said so far: {self._spoken()}") from None
        return found

    def _spoken(self) -> list[str]:
        """What was said last, without what is said all the time."""
        return [op for op in self.ops() if op != "heartbeat"][-40:]

    def ops(self) -> list[str]:
        return [op for op, _ in self.said]

    def of(self, op: str) -> list[Any]:
        """All items of an op."""
        return [item for said, item in self.said if said == op]

    async def results(self, count: int) -> list[Done]:
        """The first `count` results."""
        found: Sequence[Done] = await self.until(
            lambda: self.of("done") if len(self.of("done")) >= count else None, f"{count} results"
        )
        return list(found[:count])

    def bytes_of(self, job: str, stream: str = "stdout", attempt: int = 1) -> bytes:
        return bytes(self.stored.get((job, attempt, stream), b""))


class RunningWorker:
    """A worker in this process. `stop` is the first TERM."""

    def __init__(
        self, server: WorkerServer, folder: Path, *, rejoin: bool = False, keeps: dict[str, object] | None = None,
        **values: object,
    ) -> None:  # fmt: skip
        fast: dict[str, object] = {
            "server_url": None if "server_url" in values else server.url, "worker_token_secret": SECRET,
            "allow_host": True, "slots": 4, "worker_name": "w",
            "reconnect_min_sec": 0.02, "reconnect_max_sec": 0.1, "again_sec": 0.05, "kill_grace_sec": 2.0,
            "drain_sec": 0.5, "work_dir": folder / "jobs",
        }  # fmt: skip
        self.settings = worker_settings(folder / "worker", **(fast | values))
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(run_worker(self.settings, stop=self.stop, rejoin=rejoin, keeps=keeps))

    async def end(self) -> int:
        """Drain it, and wait for its end."""
        self.stop.set()
        async with asyncio.timeout(15):
            return await self.task


@asynccontextmanager
async def serving(folder: Path, **values: object) -> AsyncIterator[tuple[WorkerServer, RunningWorker]]:
    """A server and a worker that it knows; both are ended at the end."""
    server = WorkerServer()
    await server.open()
    worker = RunningWorker(server, folder, **values)
    try:
        yield server, worker
        if not worker.task.done():
            await worker.end()
    finally:
        worker.task.cancel()
        await asyncio.wait([worker.task])
        await server.close()
