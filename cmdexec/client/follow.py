"""A job's output as it comes, to the job's end, whatever happens to connection and server in between."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from cmdexec.client.caller import Caller
from cmdexec.client.exchange import as_error
from cmdexec.client.sse import Event, EventReader
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.protocol.requests import ErrorView, FollowAttempt, FollowEnd, FollowOutput, JobView, OutputQuery

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a stream; `offset` counts from the beginning of the attempt."""

    stream: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """From here on output is of this attempt, and its offsets begin at 0. `run` is what people count by, from 1; `why`
    says how the attempt before it ended, if there was one."""

    attempt: int
    run: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The job as it ended; all stored output came before."""

    job: JobView


Followed = Piece | NewAttempt | Ended


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: an attempt, and an offset in each of its streams."""

    attempt: int
    stdout: int = 0
    stderr: int = 0


class _Position:
    """How far the followed output is known, so that what comes twice is told once and a gap is seen.

    `event_id` is what a server is asked to go on after: the newest that it named, or one as it would name it.
    """

    def __init__(self, start: Start | None) -> None:
        self.attempt = 0 if start is None else start.attempt
        self._next = {"stdout": 0, "stderr": 0} if start is None else {"stdout": start.stdout, "stderr": start.stderr}
        self.event_id = "" if start is None else f"{start.attempt}:{start.stdout}:{start.stderr}"

    def begin(self, attempt: int) -> bool:
        """Whether `attempt` is new."""
        if attempt <= self.attempt:
            return False
        self.attempt = attempt
        self._next = dict.fromkeys(self._next, 0)
        return True

    def fresh(self, stream: str, offset: int, data: bytes) -> Piece | None:
        """What of a piece is new. Raises Unavailable if something before it is missing: it has to be sent again."""
        known = self._next[stream]
        if offset > known:
            self.event_id = f"{self.attempt}:0:0" if self.attempt else ""
            raise Unavailable("output_gap", f"{offset - known} bytes of {stream} are missing in what the server sent.")
        new = data[known - offset :]
        self._next[stream] = known + len(new)
        return Piece(stream, known, new) if new else None


async def follow(client: Caller, job_id: str, start: Start | None = None) -> AsyncGenerator[Followed, None]:
    """Both streams of the job's last attempt from their beginning, or from `start` on, then those of any later attempt,
    then its end.

    Each byte comes once and in order, also over broken connections and restarts of the server. Raises CmdexecError, and
    Unavailable when the server is away, or has only troubles to tell of, for longer than `patience_sec`.
    """
    position, patience, clock = _Position(start), client.patience(), client.runtime.clock
    while True:
        began = clock.elapsed()
        try:
            async for event in _events(client, job_id, position.event_id):
                if event is None:
                    if clock.elapsed() - began > client.settings.retry_max_sec:
                        patience.answered()  # it stood for a while, and a job may be silent for days
                    continue
                found = _found(event, position)
                position.event_id = event.id or position.event_id
                if found is not None:
                    patience.answered()
                    yield found
                if isinstance(found, Ended):
                    return
            raise Unavailable("server_away", "The server ended the stream of the job's output before the job ended.")
        except Unavailable as wrong:
            if not client.worth_waiting(wrong):
                raise
            await patience.wait(wrong)


async def _events(client: Caller, job_id: str, last: str) -> AsyncIterator[Event | None]:
    """The events of one stream; None for bytes that make none, as come while nothing happens."""
    headers = {"Accept": "text/event-stream"}
    if last:
        headers["Last-Event-ID"] = last
    request = OutputQuery(job_id=job_id, follow="1")
    silence = client.settings.follow_silence_sec
    async with client.open("jobs.output", request, headers=headers, silence_sec=silence) as answer:
        if answer.content_type != "text/event-stream":
            raise CmdexecError("protocol_mismatch", "The server does not answer with server-sent events.")
        reader = EventReader()
        async for piece in answer.content.iter_any():
            event = None
            for event in reader.feed(piece):
                yield event
            if event is None:
                yield None


def _found(event: Event, position: _Position) -> Followed | None:
    """What an event says; None for one that is known already, or that only a newer version sends."""
    if event.name == "output":
        output = _decoded(event, FollowOutput)
        return position.fresh(output.stream, output.offset, output.data)
    if event.name == "attempt":
        began = _decoded(event, FollowAttempt)
        return NewAttempt(began.attempt, began.run, began.why) if position.begin(began.attempt) else None
    if event.name == "end":
        return Ended(_decoded(event, FollowEnd).job)
    if event.name == "error":
        wrong = as_error(_decoded(event, ErrorView).error)
        if wrong.code == "unauthorized":  # a request finds whether another login is there by now
            raise Unavailable("server_away", wrong.message, mend=wrong.mend)
        raise wrong
    return None


def _decoded(event: Event, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(event.data, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "protocol_mismatch", f"This version of cmdexec does not understand an event `{event.name}` of the server.",
            mend="Use the same version of cmdexec on both sides.",
        ) from wrong  # fmt: skip
