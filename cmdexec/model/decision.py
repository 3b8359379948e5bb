"""What can come of an event: a change, a refusal, or an answer without a change; and how a change is made."""

from enum import StrEnum
from typing import Any

import msgspec

from cmdexec.model.events import Dead, Event, FromWorker, Missing, Resume
from cmdexec.model.job import HISTORY_MAX, Job, Line, Reason, Status
from cmdexec.model.sentences import clipped


class Tell(StrEnum):
    """What the worker that asks is told of the attempt; for events of others, what its holder is told."""

    OK = "ok"
    """Accepted, or already known. A result is stored: the worker may forget it."""
    GO = "go"
    """Make the process, unless it was made before."""
    STOP = "stop"
    """The attempt does not hold the job: end at once what runs of it, start nothing, and report what came of it."""
    CANCEL = "cancel"
    """A person wants it ended: TERM, grace, KILL of the whole tree; then report its end."""
    DROP = "drop"
    """Nothing of this is wanted any more: the worker may forget it."""
    TOO_LATE = "too_late"
    """Told to the person who cancels: it had ended before."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A decided change. It is written only while the stored `rev` is `rev`; otherwise read and decide again.

    job      the job after it: `rev` + 1, history line appended
    rev      the rev on which it was decided
    tell     what the worker is told once it is written
    opens    the attempt whose output row is made with it, or opened again if there is one
    closes   the attempt whose output row is closed with it (both may be set: opened and closed at once)
    """

    job: Job
    rev: int
    tell: Tell | None = None
    opens: int | None = None
    closes: int | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Not as the job stands. `code` is one of `errors.CODES`.

    expected   how things stand, for programs; beside it a field of the request that would have to be so
    tell       what the worker that asked has to do about the attempt, where that is known
    also       a change to be written all the same: what was refused stays in the history
    """

    code: str
    message: str
    expected: dict[str, Any]
    tell: Tell | None = None
    also: Change | None = None


class NoChange(msgspec.Struct, frozen=True, gc=False):
    """Answered, and nothing to write. `job` is the job as it stood."""

    job: Job
    tell: Tell | None = None


Decision = Change | Refusal | NoChange


def lined(history: tuple[Line, ...], line: Line) -> tuple[Line, ...]:
    """The history with one more line; of a full one the oldest line but the first is dropped."""
    if len(history) < HISTORY_MAX:
        return (*history, line)
    return (history[0], *history[2:], line)


def changed(
    job: Job,
    event: Event,
    now: int,
    *,
    tell: Tell | None = None,
    opens: int | None = None,
    closes: int | None = None,
    note: str | None = None,
    called: str | None = None,
    about: int | None = None,
    **fields: Any,
) -> Change:
    """The change of `job` that sets `fields`, raises `rev` and writes the history line.

    The line names the event and the newest attempt, unless `called` and `about` say otherwise.
    """
    status: Status = fields.get("status", job.status)
    line = Line(
        now, called or event.name, status, job.attempt if about is None else about, event.who,
        _with_absence(job, event, note),
    )  # fmt: skip
    after = msgspec.structs.replace(job, rev=job.rev + 1, history=lined(job.history, line), **fields)
    return Change(after, job.rev, tell, opens, closes)


def _with_absence(job: Job, event: Event, note: str | None) -> str | None:
    """The note, and where the worker was, if that is why the attempt had trouble; said once."""
    back = event.back if isinstance(event, FromWorker) else None
    if back is None or not isinstance(event, FromWorker):
        return note
    run = job.attempt_named(event.attempt)
    began = job.assigned_at if run is None else run.started_at
    if began is None or began > back.at:
        return note
    troubled = job.status is Status.UNKNOWN or isinstance(event, Dead | Missing | Resume)
    if run is not None:
        troubled = troubled or run.end in (Reason.LOST, Reason.WORKER) or run.refunded is not None
    if not troubled or any(back.note in said for said in (note, *(line.note for line in job.history)) if said):
        return note
    return back.note if note is None else clipped(f"{note}; {back.note}")


def refused(job: Job, event: Event, _now: int, _jitter: float) -> Refusal:
    """–"""
    return Refusal("conflict", f"The job is {job.status}; {event.name} does not apply.", {"status": str(job.status)})
