"""One connection's conversation with a server: register, the complete list, then what there is to say.

It is the line's `Handler`, the attempts' `Voice` and the sender's line, for as long as the line lives.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import structs

from cmdexec.errors import Refused
from cmdexec.link.socket import Close
from cmdexec.protocol import messages
from cmdexec.protocol.codec import Frame, ask, decode_items
from cmdexec.protocol.messages import Done, Failure, Held, OutputHeader, Told
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.attempts import Attempts
from cmdexec.worker.blackbox.box import BlackBox
from cmdexec.worker.lease import Lease
from cmdexec.worker.line import NOT_NOW, Line
from cmdexec.worker.machine import stats
from cmdexec.worker.pulse import Pulse
from cmdexec.worker.sender import Sender
from cmdexec.worker.slots import Slots

_NAMED_BYTES = 100
"""An attempt's name in a frame, at most."""

_RESULT_BYTES = 700
"""A result or a release in a frame, at most, but for what rides in it and what is told in words."""


def _list_of(kind: Any) -> Any:
    return msgspec.json.Decoder(tuple[kind, ...])


_ASSIGN, _STOP, _CANCEL = (_list_of(kind) for kind in (messages.Assignment, messages.StopOrder, messages.CancelOrder))
_LEASE, _ACK, _DRAIN, _FAILURE = (
    _list_of(kind) for kind in (messages.Lease, messages.OutputAck, messages.Drain, Failure)
)
_TOLD, _BEAT, _REGISTERED = (_list_of(kind) for kind in (Told, messages.Beat, messages.Registered))
_EACH = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_ONE_TOLD, _ONE_FAILURE = msgspec.json.Decoder(Told), msgspec.json.Decoder(Failure)


_About = Held | Done | messages.Released


class Conversation:
    """What is said over one line. `way` is how it goes, for people.

    registered the server answered who we are
    heard      the server said something, whatever it was
    welcomed   the server took us: it answered the first complete list
    carried    more than the beginning got through: the server has output or a result that was said here
    failure    what the server said last that it could not do, while it has done nothing since
    come_back_sec  when the server, going away, asks us to come back
    """

    def __init__(
        self, line: Line, way: str, me: messages.Register, *, attempts: Attempts, slots: Slots, sender: Sender,
        lease: Lease, pulse: Pulse, box: BlackBox, settings: WorkerSettings, runtime: Runtime,
    ) -> None:  # fmt: skip
        self.registered = asyncio.Event()
        self.heard = self.welcomed = self.carried = False
        self.failure: Failure | None = None
        self.come_back_sec: float | None = None
        self._line, self._way, self._me = line, way, me
        self._attempts, self._slots, self._sender, self._lease = attempts, slots, sender, lease
        self._pulse, self._box = pulse, box
        self._settings, self._clock, self._log = settings, runtime.clock, runtime.log
        self._numbers: Iterator[int] = itertools.count(1)
        self._lists: Iterator[int] = itertools.count(1)
        self._asked: dict[int, tuple[str, Sequence[_About], float]] = {}
        self._beat_now = asyncio.Event()
        self._registered: messages.Registered | None = None
        self._parted: int | None = None
        self._parted_heard = False
        self._most = settings.max_frame_bytes
        self._heard_at = self._clock.elapsed()
        pulse.begin()

    # What we say -----------------------------------------------------------------------------------------------------

    def introduce(self, connection: int, lists: Iterator[int]) -> None:
        """The first thing said. `connection` and what `lists` gives number the connections of this process, and its
        complete lists on all of them: either end may tell an old one that comes late."""
        self._lists = lists
        self._ask("register", [structs.replace(self._me, connection=connection)], ())

    def done(self, results: Sequence[Done]) -> None:
        self._in_parts("done", results, _size_of_result)

    def released(self, releases: Sequence[messages.Released]) -> None:
        self._in_parts("released", releases, lambda one: _RESULT_BYTES + 6 * len(one.message or ""))

    def start(self, attempts: Sequence[Held]) -> None:
        self._in_parts("start", attempts, lambda _one: _NAMED_BYTES)

    def said(self) -> None:
        self._line.flush()

    def _in_parts(self, op: str, items: Sequence[_About], size_of: Callable[[Any], int]) -> None:
        """In frames of at most half of what a message may have."""
        part: list[_About] = []
        size = 0
        for item in items:
            more = size_of(item)
            if part and size + more > self._most // 2:
                self._ask(op, part, part)
                part, size = [], 0
            part.append(item)
            size += more
        self._ask(op, part, part)

    def beat(self, *, at_once: bool = False) -> None:
        if at_once and self._registered is not None:
            self._say_beat()
        else:
            self._beat_now.set()

    def _say_beat(self) -> None:
        self._beat_now.clear()
        named = self._attempts.named()
        words = sum(6 * len(one.phase) for one in named if one.phase)
        fits = len(named) * _NAMED_BYTES + words < self._most
        beat = messages.Heartbeat(
            jobs=named if fits else None, seq=next(self._lists), spool_bytes=self._attempts.spool_bytes,
            draining=self._attempts.draining or self._attempts.paused,
            stats=stats(len(self._slots.running), self._attempts.trouble, self._pulse),
        )  # fmt: skip
        self._pulse.sent()
        number = self._ask("heartbeat", [beat], ())
        if self._attempts.draining and self._parted is None:
            self._parted = number

    def _ask(self, op: str, items: Sequence[Any], about: Sequence[_About]) -> int:
        number = next(self._numbers)
        self._asked[number] = op, about, self._clock.elapsed()
        self._line.put(ask(op, items, number))
        return number

    async def room(self, size: int) -> None:
        await self._line.room(size)

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        self._line.put_output(header, data)

    async def heartbeats(self) -> None:
        """Say regularly that we live and what we hold; returns when nothing has come back for too long."""
        while True:
            silent = self._clock.elapsed() - self._heard_at
            if silent > (self._lease.lease_sec or self._settings.connect_timeout_sec):
                return
            if self._registered is not None and (self._beat_now.is_set() or not self._pulse.due_in()):
                self._say_beat()
            await self._clock.sleep(self._settings.flush_ms / 1000)
            try:
                async with asyncio.timeout(min(self._pulse.due_in(), self._lease.heartbeat_sec)):
                    await self._beat_now.wait()
            except TimeoutError:
                pass

    # What the server says --------------------------------------------------------------------------------------------

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        self.heard, self._heard_at = True, self._clock.elapsed()
        if self.welcomed:
            self._box.heard_at = self._heard_at
        for frame in frames:
            if frame.re is not None:
                self._answered(frame.re, frame.items)
            else:
                self._told(frame.op, frame.items)
        if self._parted_heard and self._line.settled:
            self._attempts.excuse()

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        raise Refused("bad_request", "A server sends no output to a worker.")

    def _told(self, op: str | None, items: msgspec.Raw) -> None:
        attempts = self._attempts
        match op:
            case "assign":
                attempts.assigned(decode_items(items, _ASSIGN))
            case "ack":
                self.carried = True
                for ack in decode_items(items, _ACK):
                    attempts.acknowledged(ack)
            case "cancel":
                for order in decode_items(items, _CANCEL):
                    attempts.cancel(order)
            case "stop":
                for order in decode_items(items, _STOP):
                    attempts.stop(order)
            case "lease":
                for lease in decode_items(items, _LEASE):
                    self._lease.says(lease.lease_sec, lease.heartbeat_sec)
            case "drain":
                for drain in decode_items(items, _DRAIN):
                    self._drain(drain)
            case "error":
                for failure in decode_items(items, _FAILURE):
                    self.failure = failure
            case _:
                self._log.debug("a frame that this version does not know was ignored", op=op)

    def _drain(self, drain: messages.Drain) -> None:
        if drain.draining is None:
            self.come_back_sec = drain.reconnect_after_sec
            self._log.info("the server is going away", message=drain.message)
        else:
            self._rest(drain.draining, drain.message)

    def _rest(self, drained: bool, why: str | None = None) -> None:
        if drained == self._attempts.drained:
            return
        said = "drained: no job is begun until this worker is resumed" if drained else "resumed: jobs are begun again"
        self._log.info(said, running=len(self._slots.running), message=why)
        self._attempts.rest(drained)

    def _answered(self, number: int, items: msgspec.Raw) -> None:
        asked = self._asked.pop(number, None)
        if asked is None:
            self._log.debug("an answer to nothing that was asked was ignored", number=number)
            return
        op, about, asked_at = asked
        if op == "register":
            self._registration(items, asked_at)
        elif op == "heartbeat":
            self._pulse.answered(asked_at)
            self._beat_answered(items, asked_at, parted=self._parted is not None and number >= self._parted)
        else:
            if op == "start":
                self._slots.answered(self._clock.elapsed() - asked_at)
            else:
                self.carried = True
            tell = self._attempts.start_told if op == "start" else self._attempts.end_told
            for named, told in zip(about, _tolds(items), strict=False):
                if isinstance(told, Failure):
                    self._log.warning("the server refused what was said", op=op, code=told.code, said=told.message)
                    tell(named, _again(named) if told.code in NOT_NOW else None)
                else:
                    if told.code == "output_differs":
                        self._log.error("the server has other output than was sent", job=told.job_id, said=told.message)
                    tell(named, told)

    def _registration(self, items: msgspec.Raw, asked_at: float) -> None:
        self._registered = registered = self._only(items, _REGISTERED)
        if registered is None:
            self._line.close(Close.GOING_AWAY, "It will try again.")
            return
        self._most = min(self._most, registered.max_frame_bytes)
        self._attempts.output_limit = registered.output_limit_bytes
        self._lease.says(registered.lease_sec, registered.heartbeat_sec)
        self._lease.registered(asked_at)
        self._rest(registered.draining)
        self.registered.set()
        self._beat_now.set()

    def _beat_answered(self, items: msgspec.Raw, asked_at: float, *, parted: bool) -> None:
        beat = self._only(items, _BEAT)
        if beat is None:
            return
        self._lease.says(beat.lease_sec, beat.heartbeat_sec)
        self._lease.renewed(asked_at)
        for order in beat.cancel:
            self._attempts.cancel(order)
        for told in beat.held:
            self._attempts.held_told(told)
        if not self.welcomed and self._registered is not None:
            self.welcomed = True
            about = {"worker": self._registered.worker_id, "server_version": self._registered.server_version}
            self._log.info("connected", by=self._way, **about)
            self._box.connected()
            self._sender.connected(self, self._most)
            self._attempts.connected(self)
            if self._attempts.draining and self._parted is None:  # the list that was answered was made before that
                self._beat_now.set()
        self._parted_heard |= parted
        self._attempts.beaten()

    def _only(self, items: msgspec.Raw, decoder: Any) -> Any:
        """The one item of an answer; None, and noted, when it is a failure."""
        (raw,) = decode_items(items, _EACH)
        try:
            (item,) = decoder.decode(items)
        except msgspec.MsgspecError:
            self.failure = decode_items(raw, _ONE_FAILURE)
            return None
        self.failure = None
        return item


def _tolds(items: msgspec.Raw) -> Sequence[Told | Failure]:
    """The answers to the items of a frame, each of which may have failed by itself."""
    try:
        tolds: tuple[Told, ...] = _TOLD.decode(items)
    except msgspec.MsgspecError:
        return [_told_or_failure(raw) for raw in decode_items(items, _EACH)]
    return tolds


def _told_or_failure(raw: msgspec.Raw) -> Told | Failure:
    try:
        return _ONE_TOLD.decode(raw)
    except msgspec.MsgspecError:
        return decode_items(raw, _ONE_FAILURE)


def _size_of_result(done: Done) -> int:
    """What it takes in a frame: bytes are written in base64, and a character of a text may need six."""
    riding = len(done.inline.stdout) + len(done.inline.stderr)
    words = len(done.message or "") + sum(map(len, done.survivors))
    return _RESULT_BYTES + riding * 4 // 3 + 6 * words


def _again(named: _About) -> Told:
    return Told(job_id=named.job_id, attempt=named.attempt, tell="again")
