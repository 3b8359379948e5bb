"""Saying things over HTTP, one call after the other, and giving the answers back as the frames that a socket brings."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import structs

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError, Conflict, Unavailable
from cmdexec.protocol.codec import Frame, encode
from cmdexec.protocol.messages import Failure, OutputAck, Registered
from cmdexec.protocol.operations import BY_NAME, FRAMES
from cmdexec.protocol.requests import TakenView
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.line import NOT_NOW
from cmdexec.worker.polling_calls import Calls, Lost
from cmdexec.worker.polling_speech import Piece, Said, Speech, chunks_of

T = TypeVar("T")

Hear = Callable[[Sequence[Frame]], Awaitable[None]]
"""Takes frames from the server."""

OF_ALL = frozenset({"unauthorized", "forbidden", "protocol_mismatch", "replaced", "draining"})
"""The codes that speak of the worker or the server, not of the one call."""


class _BeatParts(msgspec.Struct, frozen=True):
    """The lists of a `BeatView` that are answers, as JSON."""

    start: tuple[msgspec.Raw, ...] = ()
    released: tuple[msgspec.Raw, ...] = ()


_PARTS = msgspec.json.Decoder(_BeatParts)
_TOLDS = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REGISTERED = msgspec.json.Decoder(Registered)
_TAKEN = msgspec.json.Decoder(TakenView)


class Speaker:
    """Says what `speech` holds. Raises Lost, and CmdexecError where the server refuses what a line lives by.

    listed  the server has answered the first complete list
    """

    def __init__(self, calls: Calls, speech: Speech, hear: Hear, *, settings: WorkerSettings, clock: Clock) -> None:
        self._calls, self._speech, self._hear = calls, speech, hear
        self._settings, self._clock = settings, clock
        self._lost_beats = 0
        self.listed = asyncio.Event()

    async def say_next(self) -> None:
        """Say what comes next, and hand over what the server answers."""
        taken = self._speech.take()
        first = taken[0]
        if isinstance(first, Piece):
            await self._send([one for one in taken if isinstance(one, Piece)])
            return
        said = [one for one in taken if isinstance(one, Said)]
        try:
            answers = await self._answers(first.op, said)
        except CmdexecError as wrong:
            if wrong.code not in NOT_NOW and first.op != "register":
                raise
            if wrong.code in OF_ALL and (first.op != "register" or wrong.code in ("replaced", "draining")):
                raise
            answers = _failures(said, Failure(wrong.code, wrong.message, wrong.field, wrong.mend))
        except Lost as lost:
            self._lost_beats += 1
            if first.op != "heartbeat" or self._lost_beats >= self._settings.call_tries:
                raise
            answers = _failures(said, Failure(lost.away.code, lost.away.message, mend=lost.away.mend))
        await self._hear(answers)

    # Frames ----------------------------------------------------------------------------------------------------------

    async def _answers(self, op: str, said: Sequence[Said]) -> list[Frame]:
        items = [item for one in said for item in one.items]
        match op:
            case "start" | "released":
                body = b'{"%b":[%b]}' % (op.encode(), b",".join(items))
                parts = _read(await self._calls.call(FRAMES["heartbeat"], body), _PARTS)
                return _split(said, parts.start if op == "start" else parts.released)
            case "done":
                body = b"[%b]" % b",".join(items)
                tolds = _read(await self._calls.call(FRAMES[op], body), _TOLDS)
                return _split(said, tolds)
            case _:
                # A complete list says what is held now: it must not be said much later.
                until = said[0].at + self._settings.again_sec if op == "heartbeat" else None
                body = await self._calls.call(FRAMES[op], items[0], until=until)
                _read(body, _OBJECT)
                self._lost_beats, self._calls.patient = 0, True
                if op == "heartbeat":
                    self.listed.set()
                else:
                    body = self._bounded(body)
                return [Frame(re=said[0].number, items=msgspec.Raw(b"[%b]" % body))]

    def _bounded(self, body: bytes) -> bytes:
        """The answer to `register`, with what a message may have on this way: no request may be larger than its route
        takes."""
        registered = _read(body, _REGISTERED)
        most = min(registered.max_frame_bytes, BY_NAME[FRAMES["done"]].max_body)
        self._speech.bound(most)
        return encode(structs.replace(registered, max_frame_bytes=most))

    # Output ----------------------------------------------------------------------------------------------------------

    async def _send(self, pieces: Sequence[Piece]) -> None:
        about = pieces[0].header
        try:
            body = await self._calls.call(FRAMES["output"], encode(chunks_of(pieces)))
            stored = _read(body, _TAKEN).acknowledged
            ack = OutputAck(job_id=about.job_id, attempt=about.attempt, stdout=stored.stdout, stderr=stored.stderr)
        except CmdexecError as wrong:
            ack = _not_taken(about.job_id, about.attempt, wrong)
            self._speech.drop(about.job_id, about.attempt)
        await self._hear([Frame(op="ack", items=msgspec.Raw(encode([ack])))])


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


def _failures(said: Sequence[Said], failure: Failure) -> list[Frame]:
    """The answers to frames, each item of which failed."""
    one = encode(failure)
    return [Frame(re=frame.number, items=msgspec.Raw(b"[%b]" % b",".join([one] * len(frame.items)))) for frame in said]


def _split(said: Sequence[Said], answers: Sequence[msgspec.Raw]) -> list[Frame]:
    """The answers to the items of several frames that went together."""
    frames, start = [], 0
    for frame in said:
        end = start + len(frame.items)
        items = b",".join(bytes(raw) for raw in answers[start:end])
        frames.append(Frame(re=frame.number, items=msgspec.Raw(b"[%b]" % items)))
        start = end
    return frames


def _read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Raises Lost for what no server of ours answers."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise Lost(Unavailable("server_away", "The answer is none of a cmdexec server.")) from wrong
