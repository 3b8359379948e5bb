"""A proxy between a worker and its server that lets no WebSocket through, in the ways that real ones do, or does; and a
slow one, or one that is away."""

import asyncio
import contextlib
import math
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from tests.support.pair import BOTH, HEAD_END, Direction, Pace, Pair, Ports, Silent, reset

Way = Literal["refuse 403", "refuse 502", "strip", "swallow", "freeze", "reset"]
"""How sockets are blocked. refuse: the upgrade gets that answer. strip: it goes on without the headers of an upgrade.
swallow: it is passed, and nothing after it. freeze: those that are open carry nothing any more, new ones neither.
reset: its connection is reset."""

WAYS: tuple[Way, ...] = get_args(Way)

Spoilt = Literal["502", "none", "cut"]
"""What becomes of an HTTP request. 502: it is not passed on, and gets a page. cut: it is, and its answer breaks off.
none: nothing of its answer comes, but for a reset."""


class Proxy:
    """Listens on a port of its own, in a thread of its own.

    upgrades  WebSockets that were let through
    turned_away  WebSockets that were not, by the way
    asked     HTTP requests, by path
    spoil     what becomes of the next ones, by path; `*`: whatever they ask
    broken    connections that `break_off` has reset
    """

    def __init__(self, port: int) -> None:
        self.upgrades = 0
        self.turned_away: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.spoil: dict[str, list[Spoilt]] = {}
        self.broken = 0
        self.port = 0
        self._to = port
        self._way: Way | None = None
        self._refuses = False
        self._pace = Pace()
        self._breaks: list[int] = []
        self._passes: dict[Direction, asyncio.Event] = {}
        self._sockets: set[Pair] = set()
        self._pairs: set[Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._passes = {direction: asyncio.Event() for direction in BOTH}
        self.resume()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def block(self, way: Way) -> None:
        """From now on no WebSocket goes through; those that are open are cut, or frozen."""
        self._do(self._set(way))

    def free(self) -> None:
        """From now on all goes through."""
        self._do(self._set(None))

    def cut(self) -> None:
        """Reset all connections, those of HTTP as well."""
        self._do(self._cut(self._pairs))

    def slow(self, *, delay_sec: float = 0.0, bytes_per_sec: float = math.inf) -> None:
        """From now on each piece comes so much later, either way, and no more than so much comes in a second."""
        self._do(self._set_pace(Pace(delay_sec, bytes_per_sec)))

    def far(self, latency_sec: float, *, slice_bytes: int, bytes_per_sec: float) -> None:
        """From now on all comes so much later, either way, in slices of that size, and no more in a second."""
        self._do(self._set_pace(Pace(0.0, bytes_per_sec, latency_sec, slice_bytes)))

    def break_off(self, *sizes: int) -> None:
        """Reset a connection for each of these, when so many more bytes have come from the server: first those that are
        open, then what is new."""
        self._do(self._break_off(list(sizes)))

    def silence(self, how: Silent) -> list[Ports]:
        """What is open is half open from now on: nothing passes, and no end is told of that, nor that the other one is
        gone. What is new goes through. Returns those that it is done to."""
        ports: list[Ports] = self._do(self._silence(how))
        return ports

    def refuse(self) -> None:
        """Until `free`, nothing goes through: what is open is reset, and so is what is new."""
        self._do(self._refuse())

    def part(self) -> None:
        """From now on nothing goes through: what is open is reset, and what is new refused."""
        self._do(self._part())

    def mend(self) -> None:
        """After `part`: what is new is let through again."""
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20))

    def hold(self, *directions: Direction) -> None:
        """From now on nothing goes through in these directions, and nobody is told: as when a cable is pulled."""
        self._do(self._pass(directions, False))

    def resume(self) -> None:
        """All goes through, first what was held: as TCP sends again what was never acknowledged."""
        self._do(self._pass(BOTH, True))

    def polls(self) -> int:
        """How often a job was asked for."""
        return self.asked["/api/jobs/get-job"]

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(self, way: Way | None) -> None:
        self._way, self._refuses = way, False
        if way == "freeze":
            for pair in self._sockets:
                pair.frozen = True
        else:
            await self._cut(self._sockets)

    async def _cut(self, pairs: set[Pair]) -> None:
        for pair in list(pairs):
            pair.reset()

    async def _set_pace(self, pace: Pace) -> None:
        ours = self._pace
        ours.delay_sec, ours.bytes_per_sec = pace.delay_sec, pace.bytes_per_sec
        ours.latency_sec, ours.slice_bytes = pace.latency_sec, pace.slice_bytes

    async def _break_off(self, sizes: list[int]) -> None:
        for pair in self._pairs:
            if sizes:
                pair.break_after(sizes.pop(0))
        self._breaks = sizes

    async def _silence(self, how: Silent) -> list[Ports]:
        pairs = [pair for pair in self._pairs if pair.silent is None]
        for pair in pairs:
            pair.fall_silent(how)
        return [pair.ports for pair in pairs]

    async def _refuse(self) -> None:
        self._refuses = True
        await self._cut(self._pairs)

    async def _pass(self, directions: tuple[Direction, ...], passes: bool) -> None:
        for direction in directions:
            if passes:
                self._passes[direction].set()
            else:
                self._passes[direction].clear()

    async def _part(self) -> None:
        self._server.close()
        await self._cut(self._pairs)

    async def _stop(self) -> None:
        self._server.close()
        self._pace.over.set()
        await asyncio.sleep(0)  # so that what was accepted just now has begun, and ends what it has
        await self._cut(self._pairs)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # of Python 3.11's streams, which log what was cancelled
            await self._served(reader, writer)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            reset(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            reset(writer)
            return
        except asyncio.CancelledError:
            reset(writer)
            raise
        pair = Pair(writer, to_writer, self._pace, self._passes)
        if self._breaks:
            pair.break_after(self._breaks.pop(0))
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pair.back(to_reader))
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await self._requests(reader, pair)
                await pair.left()
        finally:
            pair.close()
            self.broken += pair.broke
            self._pairs.discard(pair)
            self._sockets.discard(pair)

    async def _requests(self, reader: asyncio.StreamReader, pair: Pair) -> None:
        while True:
            head = await reader.readuntil(HEAD_END)
            lines = head[: -len(HEAD_END)].split(b"\r\n")
            parted = (line.partition(b":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in parted}
            if headers.get(b"upgrade", b"").lower() == b"websocket":
                if await self._upgrade(lines, head, pair):
                    break
                continue
            path = lines[0].split(b" ")[1].split(b"?")[0].decode()
            self.asked[path] += 1
            body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
            wanted = self.spoil.get(path) or self.spoil.get("*")
            spoilt = wanted.pop(0) if wanted else None
            if spoilt == "502":
                pair.page(b"502")
                continue
            pair.loses = spoilt
            await pair.send_slices(head + body)
        while data := await reader.read(self._pace.piece):
            await self._pace.carry(len(data))
            if not pair.frozen:
                await pair.send_there(data)

    async def _upgrade(self, lines: list[bytes], head: bytes, pair: Pair) -> bool:
        """Whether the connection is a WebSocket's now, as far as the client knows."""
        way = self._way
        if way is None:
            self.upgrades += 1
            self._sockets.add(pair)
            await pair.send_slices(head)
            return True
        self.turned_away[way] += 1
        if way in ("swallow", "freeze"):
            pair.freeze_after_head = True
            pair.there.write(head)
            return True
        if way == "reset":
            pair.reset()
            raise ConnectionResetError
        if way == "strip":
            kept = [line for line in lines if line.split(b":")[0].lower() not in (b"upgrade", b"connection")]
            pair.there.write(b"\r\n".join(kept) + HEAD_END)
            return False
        pair.page(way.removeprefix("refuse ").encode())
        return False


@contextmanager
def proxying(port: int) -> Iterator[Proxy]:
    """A proxy to that port of this machine, until the end of the block."""
    proxy = Proxy(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
