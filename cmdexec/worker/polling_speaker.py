"""Saying things over HTTP, and giving the answers back as the frames that a socket brings."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import aiohttp
import msgspec
from msgspec import structs

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Conflict, Unavailable
from cmdexec.protocol.codec import Frame, encode
from cmdexec.protocol.messages import Failure, Held, OutputAck, Registered
from cmdexec.protocol.operations import BY_NAME, FRAMES
from cmdexec.protocol.polling import TakenView
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.line import NOT_NOW
from cmdexec.worker.polling_bodies import LEAST, Bodies
from cmdexec.worker.polling_calls import Calls, Lost, NotCarried
from cmdexec.worker.polling_speech import Piece, Said, Speech, chunks_of

T = TypeVar("T")

Hear = Callable[[Sequence[Frame]], Awaitable[None]]
"""Takes frames from the server."""

OF_ALL = frozenset(
    {"unauthorized", "forbidden", "protocol_mismatch", "not_registered", "replaced", "cloned", "draining"}
)
"""The codes that speak of the worker or the server, not of the one call."""

_LEASE_PART = 0.25
"""Of a lease: two calls in a row that hang leave time for a third, which renews it."""

_LARGE_TRIES = 2
"""A large body is not tried as often as others before smaller ones are: the first time it may have been an old
connection that was closed just then."""


class _BeatParts(msgspec.Struct, frozen=True):
    """The lists of a `BeatView` that are answers, as JSON, and its orders, which may come with any."""

    start: tuple[msgspec.Raw, ...] = ()
    released: tuple[msgspec.Raw, ...] = ()
    stop: tuple[Held, ...] = ()
    cancel: tuple[Held, ...] = ()


_PARTS = msgspec.json.Decoder(_BeatParts)
_TOLDS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_REGISTERED = msgspec.json.Decoder(Registered)
_TAKEN = msgspec.json.Decoder(TakenView)


class Speaker:
    """Says what is taken from `speech`. Raises Lost, and CmdexecError where the server refuses what a line lives by.

    listed  the server has answered the first complete list
    """

    def __init__(
        self, calls: Calls, speech: Speech, bodies: Bodies, hear: Hear, *, settings: WorkerSettings, clock: Clock
    ) -> None:
        self._calls, self._speech, self._bodies, self._hear = calls, speech, bodies, hear
        self._settings, self._clock = settings, clock
        self._lost_beats = 0
        self._answers: dict[int, list[bytes]] = {}
        self.listed = asyncio.Event()

    # Frames ----------------------------------------------------------------------------------------------------------

    async def say(self, said: Sequence[Said]) -> None:
        """Say these items of one kind, and hand over what the server answers."""
        op, before = said[0].op, self._calls.answered
        orders: list[Frame] = []
        try:
            answers, orders = await self._told(op, said)
        except CmdexecError as wrong:
            if wrong.code not in NOT_NOW and op != "register":
                raise
            if wrong.code in OF_ALL and (op != "register" or wrong.code in ("replaced", "cloned", "draining")):
                raise
            answers = [encode(Failure(wrong.code, wrong.message, wrong.field, wrong.mend))] * len(said)
        except Lost as lost:
            if op == "heartbeat":
                self._lost_beats += 1
                if self._lost_beats >= self._settings.call_tries:
                    raise
                answers = [encode(Failure(lost.away.code, lost.away.message, mend=lost.away.mend))]
            elif len(said) > 1 and self._to_be_parted(sum(len(one.item) for one in said), lost, before):
                self._speech.put_back(said)
                return
            else:
                raise
        await self._hear([*self._whole(said, answers), *orders])

    async def _told(self, op: str, said: Sequence[Said]) -> tuple[Sequence[bytes], list[Frame]]:
        """The answers to these items, as JSON, and the orders that came along."""
        orders: list[Frame] = []
        items = b",".join(one.item for one in said)
        match op:
            case "start" | "released":
                body = b'{"%b":[%b]}' % (op.encode(), items)
                parts = _read(await self._calls.call(FRAMES["heartbeat"], body, control=True), _PARTS)
                told = parts.start if op == "start" else parts.released
                orders = order_frames(parts.stop, parts.cancel)
            case "done":
                told = _read(await self._calls.call(FRAMES[op], b"[%b]" % items), _TOLDS)
            case _:
                # A complete list says what is held now: it must not be said much later.
                until = said[0].at + self._settings.again_sec if op == "heartbeat" else None
                body = await self._calls.call(FRAMES[op], items, until=until, control=True)
                if op == "heartbeat":
                    parts = _read(body, _PARTS)
                    orders = order_frames(parts.stop, parts.cancel)
                self._lost_beats, self._calls.patient = 0, True
                if op == "heartbeat":
                    self.listed.set()
                else:
                    body = self._bounded(body)
                return [body], orders
        if len(told) != len(said):
            raise Lost(Unavailable("server_away", "The answer is none of a cmdexec server."))
        return [bytes(one) for one in told], orders

    def _whole(self, said: Sequence[Said], answers: Sequence[bytes]) -> list[Frame]:
        """The answers to the frames of which all items are answered now."""
        frames = []
        for one, answer in zip(said, answers, strict=True):
            told = self._answers.setdefault(one.number, [b""] * one.count)
            told[one.index] = answer
            if all(told):
                del self._answers[one.number]
                frames.append(Frame(re=one.number, items=msgspec.Raw(b"[%b]" % b",".join(told))))
        return frames

    def _bounded(self, body: bytes) -> bytes:
        """The answer to `register`, with what a message may have on this way: no request may be larger than its route
        takes."""
        registered = _read(body, _REGISTERED)
        self._calls.control_sec = min(self._settings.call_timeout_sec, registered.lease_sec * _LEASE_PART)
        most = min(registered.max_frame_bytes, BY_NAME[FRAMES["done"]].max_body)
        self._speech.bound(most)
        return encode(structs.replace(registered, max_frame_bytes=most))

    # Output ----------------------------------------------------------------------------------------------------------

    async def say_output(self, pieces: Sequence[Piece]) -> None:
        """Say these pieces of one attempt, and hand over how far the server has it."""
        (job_id, attempt), before = pieces[0].about, self._calls.answered
        body = encode(chunks_of(pieces))
        try:
            tries = None if len(body) <= LEAST else _LARGE_TRIES
            stored = _read(await self._calls.call(FRAMES["output"], body, tries_max=tries), _TAKEN).acknowledged
            self._bodies.carried(len(body))
            ack = OutputAck(job_id=job_id, attempt=attempt, stdout=stored.stdout, stderr=stored.stderr)
        except CmdexecError as wrong:
            ack = _not_taken(job_id, attempt, wrong)
            self._speech.drop(job_id, attempt)
        except Lost as lost:
            if self._to_be_parted(len(body), lost, before):
                self._speech.put_back(pieces)
                return
            if not self._is_of_the_call(lost, before):
                raise
            ack = OutputAck(job_id=job_id, attempt=attempt, tell="again", code=lost.away.code)
            self._speech.drop(job_id, attempt)
        await self._hear([Frame(op="ack", items=msgspec.Raw(encode([ack])))])

    def _to_be_parted(self, size: int, lost: Lost, before: int) -> bool:
        """Whether to say it again at once, by smaller calls: the last one may have been too large for what lies in
        between. Where the server is away as a whole, that is for the line's next life to find out."""
        if isinstance(lost.__cause__, aiohttp.ClientConnectorError):
            return False
        return self._bodies.lost(size) and self._is_of_the_call(lost, before)

    def _is_of_the_call(self, lost: Lost, before: int) -> bool:
        """Whether other calls got through while this one did not."""
        return isinstance(lost, NotCarried) or self._calls.answered > before


def order_frames(stop: Sequence[Held], cancel: Sequence[Held]) -> list[Frame]:
    """Orders as a socket brings them. Over HTTP `stop` names all that is to be ended; there only what is to be
    forgotten."""
    forget = [named for named in stop if named not in cancel]
    return [
        Frame(op=op, items=msgspec.Raw(encode(named))) for op, named in (("stop", forget), ("cancel", cancel)) if named
    ]


def _not_taken(job_id: str, attempt: int, wrong: CmdexecError) -> OutputAck:
    """What a refusal of output says of the attempt. Raises it again where it says nothing of that."""
    code = wrong.code
    tell: Literal["stop", "resend", "again"]
    if code in OF_ALL or not (isinstance(wrong, Conflict) or code in NOT_NOW or code == "output_limit"):
        raise wrong
    if code == "output_gap":
        tell = "resend"
    elif code in NOT_NOW or code in ("resume_first", "not_started"):
        tell = "again"
    else:
        tell = "stop"
    expected = wrong.expected or {} if isinstance(wrong, Conflict) else {}
    stdout, stderr = expected.get("stdout"), expected.get("stderr")
    return OutputAck(
        job_id=job_id, attempt=attempt, tell=tell, code=code, stdout=stdout if isinstance(stdout, int) else 0,
        stderr=stderr if isinstance(stderr, int) else 0,
    )  # fmt: skip


def _read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Raises Lost for what no server of ours answers."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise Lost(Unavailable("server_away", "The answer is none of a cmdexec server.")) from wrong
