"""A line without a socket: what is said goes out by HTTP calls, and what they are answered comes back as frames.

What the worker says of itself goes in the order in which it was put, each call answered before the next. Beside it go
results, and output, of several attempts at once; of one attempt in its order, so that its output is stored before its
result is reported. So a call that hangs holds up nothing else. A long poll brings jobs and orders. A call that nobody
answered is made again: all of them may be repeated, and a poll has the same `claim` until it is answered.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import aiohttp
import msgspec

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.socket import Close, Ended, Handler
from cmdexec.protocol.codec import Frame, encode
from cmdexec.protocol.messages import Drain, Failure, OutputHeader
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.polling_bodies import Bodies
from cmdexec.worker.polling_calls import Calls, Headers, Lost
from cmdexec.worker.polling_orders import Orders
from cmdexec.worker.polling_speaker import Speaker
from cmdexec.worker.polling_speech import Piece, Said, Speech

E = TypeVar("E", bound=Exception)
S = TypeVar("S", Said, Piece)

_OUTPUTS = 4
"""The attempts whose output goes at once."""

_CLOSES = {
    "unauthorized": Close.UNAUTHENTICATED, "forbidden": Close.FORBIDDEN, "replaced": Close.REPLACED,
    "cloned": Close.REPLACED,
}  # fmt: skip


class HttpLine:
    """A `Line` over HTTP. `free`: for how many more jobs the worker has room now; `bodies`: how large a call may be.

    lost    the call that nobody answered, if that was its end
    served  jobs and orders come this way, as far as is known: no poll was lost before any was answered
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, headers: Headers, free: Callable[[], int],
        bodies: Bodies, *, settings: WorkerSettings, runtime: Runtime,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._log = settings, runtime.clock, runtime.log
        self._calls = Calls(http, url, headers, settings=settings, runtime=runtime)
        self._speech = speech = Speech(
            settings.max_frame_bytes, bodies, queue_items=settings.socket_queue_items,
            queue_bytes=settings.socket_queue_bytes,
        )  # fmt: skip
        self._speaker = Speaker(self._calls, speech, bodies, self._hear, settings=settings, clock=runtime.clock)
        self._orders = Orders(
            self._calls, self._hear, free, settings=settings, clock=runtime.clock, ids=runtime.ids
        )  # fmt: skip
        self.lost: Lost | None = None
        self.served = True
        self._handler: Handler | None = None
        self._hearing = asyncio.Lock()
        self._lanes: list[asyncio.Event] = []
        self._room, self._over = asyncio.Event(), asyncio.Event()
        self._end: Ended | None = None
        self._hasty = False
        self._patience_sec = settings.socket_send_timeout_sec

    @property
    def settled(self) -> bool:
        """No request for jobs is under way: its answer may come after those that were made after it."""
        return not self._orders.asking

    # What is said ----------------------------------------------------------------------------------------------------

    def put(self, frame: Any) -> None:
        if self._end is None:
            if frame.op == "register":
                self._calls.instance_id = frame.items[0].instance_id
                self._calls.connection = frame.items[0].connection
            self._speech.put(frame, self._clock.elapsed())
            self._put()

    def flush(self) -> None:
        """Nothing to do: its calls are made by tasks of their own."""

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        if self._end is None:
            self._speech.put_output(header, data)
            self._put()

    def _put(self) -> None:
        if self._speech.too_much:
            self._speech.clear()
            self._finish(Close.TOO_SLOW, "Too slow: more was waiting to be sent than may wait.", ours=True)
        self._look()
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
        self._hasty, self._patience_sec = True, self._settings.hand_over_sec
        self._finish(Close.GOING_AWAY, "It goes on over a socket.", ours=True)

    def _finish(self, code: int, sentence: str, *, ours: bool) -> None:
        if self._end is None:
            self._end = Ended(code, sentence, ours=ours)
        self._over.set()
        self._look()

    def _look(self) -> None:
        """What waited for something may go on now."""
        self._room.set()
        for lane in self._lanes:
            lane.set()

    # Its life --------------------------------------------------------------------------------------------------------

    async def run(self, handler: Handler) -> Ended:
        self._handler = handler
        try:
            async with asyncio.TaskGroup() as tasks:
                speaker, speech = self._speaker, self._speech
                lanes = [
                    partial(self._lane, speech.take_frames, speaker.say),
                    partial(self._lane, speech.take_results, speaker.say),
                    *[partial(self._lane, speech.take_output, self._say_output)] * _OUTPUTS,
                ]
                said = [tasks.create_task(self._guarded(lane), name="speaker") for lane in lanes]
                poll = tasks.create_task(self._guarded(self._poll), name="polls")
                await self._over.wait()
                poll.cancel()
                await asyncio.wait(said, timeout=self._patience_sec)
                for task in said:
                    task.cancel()
        finally:
            self._speech.clear()
            self._finish(Close.ABNORMAL, "", ours=False)
        return self._end or Ended(Close.ABNORMAL, "", ours=False)

    async def _lane(self, take: Callable[[], list[S]], say: Callable[[list[S]], Awaitable[None]]) -> None:
        """Say what can be taken, call by call, until the end and, if there is time, until nothing waits."""
        wake = asyncio.Event()
        self._lanes.append(wake)
        while True:
            while not self._hasty and (taken := take()):
                await say(taken)
                self._look()
            if self._end is not None and (self._hasty or not self._speech):
                return
            wake.clear()
            await wake.wait()

    async def _say_output(self, pieces: list[Piece]) -> None:
        try:
            await self._speaker.say_output(pieces)
        finally:
            self._speech.said(pieces)

    async def _poll(self) -> None:
        await self._speaker.listed.wait()
        try:
            await self._orders.run()
        except* Lost:
            self.served = self._orders.answered
            raise

    async def _hear(self, frames: Sequence[Frame]) -> None:
        async with self._hearing:
            if self._handler is not None:
                await self._handler.frames(tuple(frames))
        self._orders.look()

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """What this raises is the end of the line."""
        try:
            await work()
        except* Lost as lost:
            self.lost = self.lost or _first(lost)
            self._give_up()
            self._finish(Close.ABNORMAL, str(self.lost), ours=False)
        except* CmdexecError as wrong:
            await self._refused(_first(wrong))
        except* Exception as fault:
            self._log.error("an answer could not be handled", exc=fault)
            self._finish(Close.INTERNAL, "The answer could not be handled; the cause is in the log.", ours=True)

    def _give_up(self) -> None:
        """What waits is not said on this line, and what is under way is not waited for."""
        self._speech.clear()
        self._patience_sec = 0.0

    async def _refused(self, wrong: CmdexecError) -> None:
        """The server will have no more of this: its words go to the handler, as those before a socket's close do."""
        self._give_up()
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
