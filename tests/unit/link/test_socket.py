"""A socket between two real ends on loopback: order, joining, bounds, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import msgspec
import pytest
from aiohttp import ClientSession, ClientWSTimeout, web

from cmdexec.errors import Refused, Unavailable
from cmdexec.link.listen import Bounds, Entrance, listen
from cmdexec.link.pool import Pool
from cmdexec.link.socket import Close, Ended, Limits, Socket
from cmdexec.protocol.codec import Frame, ask, encode
from cmdexec.protocol.messages import OutputHeader
from cmdexec.runtime import system_runtime

LIMITS = Limits(
    max_message=65536, flush_sec=0.003, flush_items=64, queue_items=100, queue_bytes=1_000_000,
    send_timeout_sec=2.0, ping_sec=15.0,
)  # fmt: skip
JOB = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"


@dataclass
class Heard:
    """A handler that keeps what it hears; `refuse` is raised for each message."""

    messages: list[tuple[Frame, ...]] = field(default_factory=list)
    output: list[tuple[OutputHeader, bytes]] = field(default_factory=list)
    refuse: Exception | None = None
    grew: asyncio.Event = field(default_factory=asyncio.Event)

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        self.messages.append(frames)
        self.grew.set()
        if self.refuse is not None:
            raise self.refuse

    async def output_(self, header: OutputHeader, data: memoryview) -> None:
        self.output.append((header, bytes(data)))
        self.grew.set()

    @property
    def items(self) -> list[object]:
        return [item for message in self.messages for frame in message for item in msgspec.json.decode(frame.items)]

    async def until(self, ready: object) -> None:
        async with asyncio.timeout(10):
            while not ready():  # type: ignore[operator]
                self.grew.clear()
                await self.grew.wait()


class _Both:
    """`Heard.output` is the list, so the protocol's method gets its name here."""

    def __init__(self, heard: Heard) -> None:
        self.frames = heard.frames
        self.output = heard.output_


@dataclass
class Pair:
    here: Socket
    there: Socket
    heard_here: Heard
    heard_there: Heard
    running: list["asyncio.Task[Ended]"]

    async def ended(self) -> list[Ended]:
        async with asyncio.timeout(10):
            return list(await asyncio.gather(*self.running))


@asynccontextmanager
async def pair(
    limits: Limits = LIMITS, *, refuse: Exception | None = None, read_there: bool = True, pool: Pool | None = None
) -> AsyncIterator[Pair]:
    """Two ends: `here` is the client's, `there` the server's. Without `read_there` the server reads nothing."""
    runtime = system_runtime("test", 1)
    opened: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
    heard_there, heard_here = Heard(refuse=refuse), Heard()
    ended_there: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def serve(request: web.BaseRequest) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(timeout=2.0, compress=False, max_msg_size=limits.max_message)
        await ws.prepare(request)
        socket = Socket(ws, limits, runtime)
        opened.set_result(socket)
        if read_there:
            ended_there.set_result(await socket.run(_Both(heard_there)))
        else:
            ended_there.set_result(Ended(0, "", ours=False))
            await over.wait()
        return ws

    bounds = Bounds(first_request_sec=5, keepalive_sec=5, linger_sec=1, send_sec=5, header_bytes=8192, connections=10)

    def malformed(status: int) -> web.Response:
        return web.Response(status=status)

    door = await listen(Entrance(0, serve), host="127.0.0.1", bounds=bounds, malformed=malformed, drain_sec=2)
    async with ClientSession() as http:
        ws = await http.ws_connect(
            door.url, max_msg_size=limits.max_message, timeout=ClientWSTimeout(ws_close=2.0), heartbeat=None
        )
        here = Socket(ws, limits, runtime, pool)
        run = asyncio.create_task(here.run(_Both(heard_here)))

        async def other() -> Ended:
            return await ended_there

        both = Pair(here, await opened, heard_here, heard_there, [run, asyncio.create_task(other())])
        try:
            yield both
        finally:
            over.set()
            here.close()
            both.there.close()
            async with asyncio.timeout(10):
                await asyncio.gather(*both.running)
            await door.close()
            runtime.threads.close()


async def test_frames_put_without_an_await_share_one_message_in_order() -> None:
    async with pair() as both:
        for number in range(5):
            both.here.put(ask("start", [number]))
        await both.heard_there.until(lambda: len(both.heard_there.items) == 5)
        assert both.heard_there.items == [0, 1, 2, 3, 4]
        assert len(both.heard_there.messages) == 1


async def test_text_and_output_keep_their_order_and_bytes() -> None:
    async with pair() as both:
        header = OutputHeader(job_id=JOB, attempt=1, stream="stdout", offset=7)
        both.here.put(ask("start", ["before"]))
        both.here.put_output(header, bytes(range(256)) * 100)
        both.here.put(ask("done", ["after"]))
        await both.heard_there.until(lambda: len(both.heard_there.items) == 2)
        assert both.heard_there.output == [(header, bytes(range(256)) * 100)]
        assert both.heard_there.items == ["before", "after"]


async def test_an_idle_socket_sends_at_once_and_a_busy_one_joins() -> None:
    """A slow pace shows the difference: the first frames come alone, of a stream of them many share a message."""
    async with pair(replace(LIMITS, flush_sec=0.5)) as both:
        started = asyncio.get_running_loop().time()
        both.here.put(ask("start", [0]))
        await both.heard_there.until(lambda: len(both.heard_there.items) == 1)
        assert asyncio.get_running_loop().time() - started < 0.4
        for number in range(1, 60):
            both.here.put(ask("start", [number]))
            await asyncio.sleep(0)
        await both.heard_there.until(lambda: len(both.heard_there.items) == 60)
        assert both.heard_there.items == list(range(60))
        assert len(both.heard_there.messages) < 20


async def test_what_is_flushed_is_sent_before_the_loop_has_its_turn() -> None:
    async with pair() as both:
        both.here.put(ask("start", [0]))
        await both.heard_there.until(lambda: both.heard_there.items == [0])
        both.here.put(ask("done", [1]))
        both.here.put(ask("start", [2]))
        both.here.flush()
        assert both.here.waiting_bytes == 0
        both.here.put(ask("start", [3]))
        await both.heard_there.until(lambda: both.heard_there.items == [0, 1, 2, 3])
        assert len(both.heard_there.messages) == 3


async def test_a_busy_socket_waits_for_company_whatever_is_flushed() -> None:
    async with pair(replace(LIMITS, flush_sec=0.05)) as both:
        await asyncio.sleep(0)
        both.here.put(ask("start", list(range(20))))
        both.here.flush()
        assert both.here.waiting_bytes > 0
        await both.heard_there.until(lambda: len(both.heard_there.items) == 20)


async def test_what_the_network_does_not_take_at_once_follows_whole_and_in_order() -> None:
    pieces = 300
    async with pair(replace(LIMITS, queue_items=10_000, queue_bytes=1 << 26)) as both:
        for number in range(pieces):
            header = OutputHeader(job_id=JOB, attempt=1, stream="stdout", offset=number, seq=number)
            both.here.put_output(header, bytes([number % 256]) * 60_000)
            both.here.flush()
        assert both.here.waiting_bytes > 0, "the network took all of it: nothing was tried"
        await both.heard_there.until(lambda: len(both.heard_there.output) == pieces)
        assert [header.offset for header, _ in both.heard_there.output] == list(range(pieces))
        assert all(data == bytes([header.offset % 256]) * 60_000 for header, data in both.heard_there.output)


async def test_a_full_flush_does_not_wait_for_the_pace() -> None:
    async with pair(replace(LIMITS, flush_sec=3600.0, flush_items=8)) as both:
        for number in range(40):
            both.here.put(ask("start", [number]))
            await asyncio.sleep(0)
        await both.heard_there.until(lambda: len(both.heard_there.items) > 40 - 8)


async def test_a_message_never_exceeds_its_bound() -> None:
    async with pair(replace(LIMITS, max_message=65536)) as both:
        for _ in range(10):
            both.here.put(ask("start", ["x" * 20_000]))
        await both.heard_there.until(lambda: len(both.heard_there.items) == 10)
        assert len(both.heard_there.messages) >= 4


async def test_a_frame_too_large_is_split_by_its_items_and_one_item_too_large_refused() -> None:
    async with pair() as both:
        both.here.put(ask("assign", [f"{number}{'x' * 30_000}" for number in range(5)]))
        await both.heard_there.until(lambda: len(both.heard_there.items) == 5)
        assert [str(item)[0] for item in both.heard_there.items] == list("01234")
        with pytest.raises(Refused) as refused:
            both.here.put(ask("assign", ["x" * 70_000]))
        assert refused.value.code == "too_large"


async def test_closing_sends_what_waits_then_the_code_and_the_sentence() -> None:
    async with pair() as both:
        both.there.put(ask("drain", ["last"]))
        both.there.close(Close.GOING_AWAY, "Goes away — soon")
        here, there = await both.ended()
        assert both.heard_here.items == ["last"]
        assert here == Ended(1001, "Goes away — soon", ours=False)
        assert there == Ended(1001, "Goes away — soon", ours=True)


async def test_a_long_reason_is_cut_between_characters() -> None:
    async with pair() as both:
        both.there.close(Close.FORBIDDEN, "é" * 200)
        here, _ = await both.ended()
        assert here.code == 4403
        assert here.reason == "é" * 61


async def test_a_refusal_is_told_and_closes_and_nothing_after_it_is_handled() -> None:
    wrong = Refused("unknown_field", "No such thing.", field="x")
    async with pair(refuse=wrong) as both:
        for op in ("bad", "more", "more"):
            await both.here._ws.send_str(encode([ask(op, [])]).decode())
        here, _ = await both.ended()
        assert (here.code, here.reason) == (4400, "No such thing.")
        assert len(both.heard_there.messages) == 1
        assert both.heard_here.items == [{"code": "unknown_field", "message": "No such thing.", "field": "x"}]


async def test_a_fault_of_our_own_closes_without_its_text() -> None:
    async with pair(refuse=ValueError("inner matter")) as both:
        both.here.put(ask("bad", []))
        here, _ = await both.ended()
        assert here.code == 1011
        assert "inner" not in here.reason


async def test_what_is_no_frame_closes_with_4400() -> None:
    async with pair() as both:
        await both.here._ws.send_str("[1, 2")
        here, _ = await both.ended()
        assert here.code == 4400


async def test_more_waiting_than_may_wait_cuts_the_socket() -> None:
    async with pair(replace(LIMITS, send_timeout_sec=0.3)) as both:
        for _ in range(101):
            both.here.put(ask("start", []))
        assert both.here.waiting_bytes == 0
        both.here.put(ask("start", []))
        here, _ = await both.ended()
        assert here.code == Close.TOO_SLOW


async def test_a_reader_that_stops_reading_is_cut_after_the_send_timeout() -> None:
    async with pair(replace(LIMITS, queue_bytes=64_000_000, send_timeout_sec=0.3), read_there=False) as both:
        header = OutputHeader(job_id=JOB, attempt=1, stream="stdout", offset=0)
        for _ in range(400):
            both.here.put_output(header, bytes(60_000))
        here, _ = await both.ended()
        assert here.code in (Close.ABNORMAL, Close.TOO_SLOW)


async def test_room_waits_until_the_reader_has_taken_enough_and_ends_with_the_socket() -> None:
    async with pair(replace(LIMITS, queue_bytes=200_000)) as both:
        header = OutputHeader(job_id=JOB, attempt=1, stream="stdout", offset=0)
        for number in range(100):
            await both.here.room(50_000)
            both.here.put_output(header, bytes([number]) * 50_000)
        await both.heard_there.until(lambda: len(both.heard_there.output) == 100)
        assert [data[0] for _, data in both.heard_there.output] == list(range(100))
        both.here.close()
        with pytest.raises(Unavailable):
            await both.here.room(1)


async def test_an_end_that_vanishes_is_abnormal() -> None:
    async with pair() as both:
        both.there._hang_up()
        here, there = await both.ended()
        assert here.code in (1000, 1006)
        assert not here.ours or not there.ours


async def test_there_is_room_for_anything_where_nothing_waits_and_for_half_of_what_may_wait_else() -> None:
    limits = replace(LIMITS, queue_bytes=200_000, queue_items=100, flush_sec=3600.0, flush_items=1000)
    async with pair(limits, read_there=False) as both:
        assert both.here.has_room(10_000_000)
        both.here.put(ask("assign", ["x" * 50_000]))
        assert both.here.has_room(49_000)
        assert not both.here.has_room(51_000)
    async with pair(limits, read_there=False) as both:
        for number in range(50):
            assert both.here.has_room(100)
            both.here.put(ask("assign", [number]))
        assert not both.here.has_room(100), "frames are bounded as well"
