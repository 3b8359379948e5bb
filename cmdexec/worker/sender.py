"""Output on its way to the server: in turn, within a window, from memory or from disk.

The first output of an attempt waits a moment before it is sent on its own: a short job ends in that time, and then what
it wrote rides in its result.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from cmdexec.errors import Unavailable
from cmdexec.protocol.codec import HEADER_MAX
from cmdexec.protocol.messages import INLINE_MAX, OutputHeader
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.flow import Flow
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.spool.output import STREAMS
from cmdexec.worker.spool.spool import Spool
from cmdexec.worker.spool.stream import StreamSpool


class OutputLine(Protocol):
    """Where output goes: a connection."""

    async def room(self, size: int) -> None:
        """Wait until so much may be put. Raises Unavailable when the connection is over."""
        ...

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None: ...


class Sender:
    """The one sender of output. `all_sent` is told of each attempt that was `finish`ed when its end may be said."""

    def __init__(self, spool: Spool, *, settings: WorkerSettings, runtime: Runtime) -> None:
        self.all_sent: Callable[[HeldAttempt], None] = lambda _held: None
        self.hold_sec = settings.flush_ms / 1000
        self._spool = spool
        self._flow = Flow(settings.output_window_bytes, settings.output_delay_sec)
        self._settings = settings
        self._clock = runtime.clock
        self._log = runtime.log
        self._line: OutputLine | None = None
        self._fresh: dict[str, tuple[float, HeldAttempt]] = {}
        self._ready: dict[str, HeldAttempt] = {}
        self._under_way: dict[str, HeldAttempt] = {}
        self._finished: set[str] = set()
        self._unread: dict[str, HeldAttempt] = {}
        self._unread_since: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._work = asyncio.Event()

    def connected(self, line: OutputLine, max_frame_bytes: int) -> None:
        """From now on output goes here; what was under way on another line has been rewound."""
        self._line = line
        self._flow.begin(max_frame_bytes - HEADER_MAX - 4)
        self._work.set()

    def disconnected(self) -> None:
        """There is no line."""
        self._line = None
        self._under_way.clear()
        self._finished.clear()

    def pace(self, median_sec: float | None) -> None:
        """How long the worker's jobs ran lately."""
        most = self._settings.output_hold_ms / 1000
        self.hold_sec = max(self._settings.flush_ms / 1000, min(most, 2 * (median_sec or 0.0)))

    def speak(self, held: HeldAttempt) -> None:
        """The attempt has output to send."""
        key, spooled = held.key, held.spooled
        if key in self._ready or key in self._unread or held.muted or self._line is None:
            return
        if spooled.stdout.sent or spooled.stderr.sent or spooled.unsent > INLINE_MAX:
            self._fresh.pop(key, None)
            self._ready[key] = held
            self._work.set()
        elif key not in self._fresh:
            self._fresh[key] = self._clock.elapsed(), held
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self.hold_sec, self._ripen)

    def _ripen(self) -> None:
        self._timer = None
        now = self._clock.elapsed()
        for key, (since, held) in list(self._fresh.items()):
            left = since + self.hold_sec - now
            if left > 0.0005:
                self._timer = asyncio.get_running_loop().call_later(left, self._ripen)
                break
            del self._fresh[key]
            self._ready[key] = held
            self._work.set()

    def finish(self, held: HeldAttempt) -> None:
        """Send what is left of it, then tell `all_sent`."""
        self._finished.add(held.key)
        self._fresh.pop(held.key, None)
        self._ready[held.key] = held
        self._work.set()

    def rode(self, held: HeldAttempt) -> None:
        """What was left of it went with its result: it is not sent on its own any more."""
        self._fresh.pop(held.key, None)
        self._ready.pop(held.key, None)

    def forget(self, held: HeldAttempt) -> None:
        """Send no more of it."""
        for place in (self._fresh, self._ready, self._under_way, self._unread, self._unread_since):
            place.pop(held.key, None)
        self._finished.discard(held.key)
        for name in STREAMS:
            self._flow.lost(held.spooled.stream(name))
        if self._line is not None and self._ready:
            self._work.set()

    def acknowledged(self) -> None:
        """There may be room in the window."""
        self._flow.acknowledged(self._clock.elapsed())
        if self._ready:
            self._work.set()

    async def run(self) -> None:
        """Send, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._line is not None and self._ready and (room := self._room()) > 0:
                key, held = next(iter(self._ready.items()))
                del self._ready[key]
                line = self._line
                try:
                    await self._send(line, held, room)
                except Unavailable:
                    if self._line is line:
                        self._line = None

    def _room(self) -> int:
        under_way = 0
        for key, held in list(self._under_way.items()):
            stdout, stderr = held.spooled.stdout, held.spooled.stderr
            size = stdout.sent - stdout.acked + stderr.sent - stderr.acked
            if size:
                under_way += size
            else:
                del self._under_way[key]
        return self._flow.window - under_way

    async def _send(self, line: OutputLine, held: HeldAttempt, room: int) -> None:
        """The next piece of each stream of an attempt; after it the others have their turn."""
        if held.key in self._finished and self._told(held):
            return
        for name in STREAMS:
            stream = held.spooled.stream(name)
            size = min(stream.unsent, self._flow.piece, room)
            if size <= 0 or held.muted:
                continue
            await line.room(size)
            start = stream.sent
            try:
                data = await self._spool.read(stream, size)
            except OSError as wrong:
                self._cannot_read(held, stream, wrong)
                return
            if line is not self._line or held.spooled.dropped:
                return
            if stream.sent != start:
                continue  # an acknowledgement of what an earlier connection brought, or a rewind, came meanwhile
            if not data:
                self._lost(held, stream)
                continue
            if self._unread_since:
                self._unread_since.pop(held.key, None)
            about = held.record
            header = OutputHeader(
                job_id=about.job_id, attempt=about.attempt, stream=name, offset=start, seq=stream.seq
            )  # fmt: skip
            line.put_output(header, data)
            stream.sent += len(data)
            stream.seq += 1
            room -= len(data)
            self._under_way[held.key] = held
            self._flow.put(stream, self._flow.window - room, self._clock.elapsed())
        if held.key in self._finished and self._told(held):
            return
        if held.spooled.unsent and not held.muted:
            self._ready.setdefault(held.key, held)
            self._work.set()

    def _told(self, held: HeldAttempt) -> bool:
        """Tell that its end may be said now, if so."""
        if not held.sayable():
            return False
        self._finished.discard(held.key)
        self.all_sent(held)
        return True

    def _cannot_read(self, held: HeldAttempt, stream: StreamSpool, wrong: OSError) -> None:
        """The disk may get better, or someone may mend it; what cannot be read for too long is lost."""
        now = self._clock.elapsed()
        since = self._unread_since.setdefault(held.key, now)
        if since == now:
            self._log.warning("the spool cannot be read; it is tried again", attempt=held.key, error=wrong.strerror)
        elif now - since > self._settings.spool_read_sec:
            self._unread_since.pop(held.key)
            self._lost(held, stream)
        self._unread[held.key] = held
        if self._read_timer is None:
            self._read_timer = asyncio.get_running_loop().call_later(self._settings.again_sec, self._read_again)

    def _read_again(self) -> None:
        self._read_timer = None
        self._ready.update(self._unread)
        self._unread.clear()
        self._work.set()

    def _lost(self, held: HeldAttempt, stream: StreamSpool) -> None:
        self._log.error("output that is not acknowledged is gone from the spool", attempt=held.key, offset=stream.sent)
        if stream.lost_from is None:
            stream.lost_from = stream.sent
        stream.sent = stream.end
