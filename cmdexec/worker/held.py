"""An attempt that this worker holds: where it stands, its output, and what is to be said of it."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from msgspec import structs

from cmdexec.model.attempt import Record
from cmdexec.model.job import Reason, Result
from cmdexec.protocol.messages import Assignment, Done, Held, Inline, OutputDone, StreamDone
from cmdexec.worker.executors.contract import End, Stream
from cmdexec.worker.spool.output import AttemptOutput
from cmdexec.worker.spool.records import key_of
from cmdexec.worker.spool.stream import StreamSpool

_SURVIVORS_MAX = 100
_SURVIVOR_CHARS = 200
_MESSAGE_CHARS = 2000
_PHASE_CHARS = 200

DoneReason = Literal["exit", "signal", "timeout", "oom", "start", "image", "worker", "cancelled"]


class HeldAttempt:
    """One attempt and all that belongs to it. It is its executor's `Sink`, and passes on what it is told.

    assignment   what to run; None for one that an earlier process of the worker saw end
    done         its result as it will be sent, without the bytes that ride in it
    journaled    its result or release is in the journal, or cannot be: it may be sent
    said         its result or release was sent over the present connection and is not answered yet
    muted        its output is not sent: the server took none of it, and was asked whether the attempt still counts
    limited      the server has as much of its output as it keeps
    spooled      its output, as far as the server does not have it
    folder       its working folder, while there is one
    phase        what is being done before it can be started; None: nothing that anybody waits for
    """

    __slots__ = (
        "assignment", "done", "folder", "journaled", "key", "limited", "muted", "on_ended", "on_output",
        "on_phase", "on_started", "phase", "record", "said", "spooled", "started_at",
    )  # fmt: skip

    def __init__(self, record: Record, spooled: AttemptOutput, assignment: Assignment | None) -> None:
        self.key = key_of(record.job_id, record.attempt)
        self.record = record
        self.spooled = spooled
        self.assignment = assignment
        self.done: Done | None = None
        self.journaled = False
        self.said = False
        self.muted = False
        self.limited = False
        self.folder: str | None = None
        self.started_at = 0.0
        self.on_output: Callable[[HeldAttempt, Stream, bytes], None] = _nobody
        self.on_ended: Callable[[HeldAttempt, End], None] = _nobody
        self.on_started: Callable[[HeldAttempt], None] = _nobody
        self.on_phase: Callable[[HeldAttempt], None] = _nobody
        self.phase: str | None = None

    @property
    def named(self) -> Held:
        """Its name in messages, and what is being done for it."""
        phase = None if self.phase is None else self.phase[:_PHASE_CHARS]
        return Held(job_id=self.record.job_id, attempt=self.record.attempt, phase=phase)

    # The executor's sink

    def told_phase(self, words: str | None) -> None:
        if words != self.phase:
            self.phase = words
            self.on_phase(self)

    def started(self, pid: int) -> None:
        self.told_phase(None)
        self.on_started(self)

    def goes_on(self, stream: Stream, offset: int, *, gap: bool) -> None:
        self.spooled.goes_on(stream, offset, gap=gap)

    def output(self, stream: Stream, data: bytes) -> None:
        self.on_output(self, stream, data)

    def ended(self, end: End) -> None:
        self.on_ended(self, end)

    # What is said of its end

    def sayable(self) -> bool:
        """Whether enough of its output has been sent: the rest may ride in a result, but not in a release."""
        if self.muted:
            return True
        return self.spooled.unsent_inline() is not None if self.done is not None else not self.spooled.unsent

    def close(self, output: OutputDone) -> None:
        """Its result, which stands in the record, as a message."""
        self.done = done_of(self.record, output)

    def remains(self, left: Sequence[str]) -> None:
        """What could not be removed of it, now that it has ended."""
        if left and self.done is not None:
            survivors = (*self.done.survivors, *left)[:_SURVIVORS_MAX]
            self.done = structs.replace(self.done, left=self.done.left + len(left), survivors=survivors)

    def to_journal(self) -> Done:
        """The result with what of its output is on no disk."""
        if self.done is None:
            raise RuntimeError(f"{self.key} has not ended")
        return structs.replace(self.done, inline=self.spooled.loose())

    def to_send(self) -> Done | None:
        """The result with what of its output has not been sent; None while that is more than may ride in it."""
        inline = Inline() if self.muted else self.spooled.unsent_inline()
        if inline is None or self.done is None:
            return None
        streams = (self.spooled.stdout, self.spooled.stderr)
        if all(stream.lost_from is None for stream in streams):
            return structs.replace(self.done, inline=inline)
        told = self.done.output
        stdout, stderr = _with_loss(told.stdout, streams[0]), _with_loss(told.stderr, streams[1])
        output = OutputDone(stdout=stdout, stderr=stderr)
        return structs.replace(self.done, inline=inline, output=output, output_lost=True)


def _nobody(*_: Any) -> None:
    """Before it runs nobody listens."""


def _with_loss(told: StreamDone, stream: StreamSpool) -> StreamDone:
    """A stream of which what lies from `lost_from` on was lost with its spool: it ends there."""
    lost_from = stream.lost_from
    if lost_from is None:
        return told
    return StreamDone(bytes=lost_from, lost=(*told.lost, (lost_from, max(stream.end, lost_from))))


def done_of(record: Record, output: OutputDone) -> Done:
    """The message that says the record's result."""
    result = record.result or Result()
    reason = None if result.reason is None else cast(DoneReason, result.reason.value)
    return Done(
        job_id=record.job_id, attempt=record.attempt, exit_code=result.exit_code, signal=result.signal, reason=reason,
        message=result.message, output=output, output_lost=result.output_lost, output_cut=result.output_cut,
        cpu_sec=result.cpu_sec, peak_rss_bytes=result.peak_rss_bytes, left=result.left,
        survivors=tuple(name[:_SURVIVOR_CHARS] for name in result.survivors[:_SURVIVORS_MAX]),
    )  # fmt: skip


def result_of(end: End) -> Result:
    """What the end of a process says of the attempt. Exit code and signal stand beside a timeout, for people."""
    reason, message = None, None
    if end.start_error is not None:
        reason, message = Reason.START, end.start_error[:_MESSAGE_CHARS]
    elif end.image_error is not None:
        reason, message = Reason.IMAGE, end.image_error[:_MESSAGE_CHARS]
    elif end.executor_lost:
        reason, message = Reason.WORKER, end.lost_why or "the process that runs this worker's jobs died"
    elif end.oom is not None:
        reason, message = Reason.OOM, end.oom
    elif end.timed_out:
        reason = Reason.TIMEOUT
    return Result(
        reason=reason, exit_code=end.exit_code, signal=end.signal, message=message, output_cut=end.output_cut,
        output_lost=end.executor_lost or end.output_lost, cpu_sec=end.cpu_sec, peak_rss_bytes=end.peak_rss_bytes,
        left=end.left, survivors=end.survivors,
    )  # fmt: skip
