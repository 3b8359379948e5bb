"""A line without a socket: what is said goes out by HTTP calls, and what they are answered comes back as frames.

One task says things in the order in which they were put, each call answered before the next, so that output is stored
before its result is reported. Beside it a long poll brings jobs and orders. A call that nobody answered is made again:
all of them may be repeated, and a poll has the same `claim` until it is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.socket import Close, Ended, Handler
from cmdexec.protocol.codec import Frame, encode
from cmdexec.protocol.messages import Drain, Failure, OutputHeader
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.polling_calls import Calls, Headers, Lost
from cmdexec.worker.polling_orders import Orders
from cmdexec.worker.polling_speaker import Speaker
from cmdexec.worker.polling_speech import Speech

E = TypeVar("E", bound=Exception)

_CLOSES = {"unauthorized": Close.UNAUTHENTICATED, "forbidden": Close.FORBIDDEN, "replaced": Close.REPLACED}


class HttpLine:
    """A `Line` over HTTP. `free`: for how many more jobs the worker has room now.

    lost  the call that nobody answered, if that was its end
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, headers: Headers, free: Callable[[], int], *,
        settings: WorkerSettings, runtime: Runtime,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._log = settings, runtime.clock, runtime.log
        self._calls = Calls(http, url, headers, settings=settings, runtime=runtime)
        self._speech = Speech(
            settings.max_frame_bytes, queue_items=settings.socket_queue_items, queue_bytes=settings.socket_queue_bytes
        )
        self._speaker = Speaker(self._calls, self._speech, self._hear, settings=settings, clock=runtime.clock)
        self._orders = Orders(
            self._calls, self._hear, free, settings=settings, clock=runtime.clock, ids=runtime.ids
        )  # fmt: skip
        self.lost: Lost | None = None
        self._handler: Handler | None = None
        self._hearing = asyncio.Lock()
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._over = asyncio.Event()
        self._end: Ended | None = None
        self._hasty = False

    # What is said ----------------------------------------------------------------------------------------------------

    def put(self, frame: Any) -> None:
        if self._end is None:
            if frame.op == "register":
                self._calls.instance_id = frame.items[0].instance_id
            self._speech.put(frame, self._clock.elapsed())
            self._put()

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        if self._end is None:
            self._speech.put_output(header, data)
            self._put()

    def _put(self) -> None:
        if self._speech.too_much:
            self._speech.clear()
            self._finish(Close.TOO_SLOW, "Too slow: more was waiting to be sent than may wait.", ours=True)
        self._wake.set()
        self._orders.look()

    async def room(self, size: int) -> None:
        while self._end is None and not self._speech.has_room(size):
            self._room.clear()
            await self._room.wait()
        if self._end is not None:
            raise Unavailable("server_away", "The line was closed.")

    def close(self, code: int, sentence: str) -> None:
        self._finish(code, sentence, ours=True)

    def hand_over(self) -> None:
        """End it for another line: the call that is under way may end, what waits is said over that."""
        self._hasty = True
        self._finish(Close.GOING_AWAY, "It goes on over a socket.", ours=True)

    def _finish(self, code: int, sentence: str, *, ours: bool) -> None:
        if self._end is None:
            self._end = Ended(code, sentence, ours=ours)
        self._over.set()
        self._wake.set()
        self._room.set()

    # Its life --------------------------------------------------------------------------------------------------------

    async def run(self, handler: Handler) -> Ended:
        self._handler = handler
        try:
            async with asyncio.TaskGroup() as tasks:
                speaker = tasks.create_task(self._guarded(self._speak), name="speaker")
                poll = tasks.create_task(self._guarded(self._poll), name="polls")
                await self._over.wait()
                poll.cancel()
                bound = self._settings.hand_over_sec if self._hasty else self._settings.socket_send_timeout_sec
                await asyncio.wait([speaker], timeout=bound)
                speaker.cancel()
        finally:
            self._speech.clear()
            self._finish(Close.ABNORMAL, "", ours=False)
        return self._end or Ended(Close.ABNORMAL, "", ours=False)

    async def _speak(self) -> None:
        while True:
            while self._speech and not self._hasty:
                await self._speaker.say_next()
                self._room.set()
            if self._end is not None:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _poll(self) -> None:
        await self._speaker.listed.wait()
        await self._orders.run()

    async def _hear(self, frames: Sequence[Frame]) -> None:
        async with self._hearing:
            if self._handler is not None:
                await self._handler.frames(tuple(frames))
        self._orders.look()

    async def _guarded(self, work: Callable[[], Any]) -> None:
        """What this raises is the end of the line."""
        try:
            await work()
        except* Lost as lost:
            self.lost = _first(lost)
            self._speech.clear()
            self._finish(Close.ABNORMAL, str(self.lost), ours=False)
        except* CmdexecError as wrong:
            await self._refused(_first(wrong))
        except* Exception as fault:
            self._log.error("an answer could not be handled", exc=fault)
            self._finish(Close.INTERNAL, "The answer could not be handled; the cause is in the log.", ours=True)

    async def _refused(self, wrong: CmdexecError) -> None:
        """The server will have no more of this: its words go to the handler, as those before a socket's close do."""
        self._speech.clear()
        if wrong.code == "draining" and isinstance(wrong, Unavailable):
            drain = Drain(reconnect_after_sec=wrong.retry_after, message=wrong.message)
            last = Frame(op="drain", items=msgspec.Raw(encode([drain])))
        else:
            failure = Failure(wrong.code, wrong.message, wrong.field, wrong.mend)
            last = Frame(op="error", items=msgspec.Raw(encode([failure])))
        with contextlib.suppress(CmdexecError):
            await self._hear([last])
        self._finish(_CLOSES.get(wrong.code, Close.because_of(wrong)), wrong.message, ours=False)


def _first(group: ExceptionGroup[E]) -> E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found
