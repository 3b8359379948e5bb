"""What the end of an attempt makes of its job: completed, failed, cancelled, or another attempt."""

from typing import Any

import msgspec

from cmdexec.model.backoff import retry_wait
from cmdexec.model.decision import Change, Tell, changed
from cmdexec.model.events import Event
from cmdexec.model.job import ATTEMPTS_MAX, Attempt, Job, OnLost, Reason, Result, Spec, Status
from cmdexec.model.sentences import clipped, sentence

RETRYABLE = frozenset({Reason.SIGNAL, Reason.TIMEOUT, Reason.OOM, Reason.IMAGE, Reason.WORKER, Reason.EXIT})
"""Reasons that another attempt may mend; `lost` is judged by `on_lost` and `max_lost` alone."""

REPORTABLE = RETRYABLE | {Reason.START, Reason.CANCELLED}
"""Reasons that a worker's result may give; the others are the server's own."""

_CANCEL_SIGNALS = frozenset({2, 9, 15})
"""What a cancel sends: INT, KILL, TERM."""

_WAITING: dict[str, Any] = {"claim_id": None, "assigned_at": None, "started_at": None, "unknown_at": None, "missing": 0}
"""What a job that waits again no longer has. Worker and session stay: who held it last is asked by every guard."""


def retryable(spec: Spec, reason: Reason, exit_code: int | None) -> bool:
    """Whether `spec` lets this end be tried again: a reason of RETRYABLE, and of `retry_on` unless that is empty."""
    if reason not in RETRYABLE:
        return False
    return not spec.retry_on or reason in spec.retry_on or f"exit:{exit_code}" in spec.retry_on


def reason_of(result: Result, cancel_asked: bool) -> Reason | None:
    """Why it ended, None for exit 0. A worker that names no reason is judged by exit code and signal."""
    reason = result.reason
    if reason is None:
        if result.signal is not None:
            by_cancel = cancel_asked and result.signal in _CANCEL_SIGNALS
            return Reason.CANCELLED if by_cancel else Reason.SIGNAL
        return Reason.EXIT if result.exit_code else None
    if reason is Reason.EXIT and result.exit_code == 0:
        return None
    if reason is Reason.CANCELLED and not cancel_asked:
        return Reason.WORKER
    return reason


def begun(job: Job, now: int) -> dict[str, Any]:
    """The fields of a job whose newest attempt begins now."""
    attempt = Attempt(job.attempt, job.worker_id or "", job.session or "", now)
    attempts, dropped = job.attempts, job.dropped
    if len(attempts) >= ATTEMPTS_MAX:
        attempts, dropped = attempts[1:], dropped + 1
    return {
        "status": Status.RUNNING, "attempts": (*attempts, attempt), "dropped": dropped,
        "started_at": now, "missing": 0,
    }  # fmt: skip


def newest_run(job: Job) -> Attempt | None:
    """The record of the newest attempt; None when that one has not begun."""
    attempts = job.attempts
    return attempts[-1] if attempts and attempts[-1].number == job.attempt else None


def lost_run(job: Job) -> Attempt | None:
    """The record of the newest attempt, if it ended as lost and nobody knows how."""
    run = newest_run(job)
    return run if run is not None and run.end is Reason.LOST and run.result is None else None


def recorded(
    job: Job, now: int, end: Reason | None, result: Result | None = None, lost_cost: int = 0
) -> tuple[Attempt, ...]:
    """The job's attempts with the newest one ended so; unchanged when that one has not begun or is over."""
    run = newest_run(job)
    if run is None or run.ended_at is not None:
        return job.attempts
    ended = Attempt(
        run.number, run.worker_id, run.session, run.started_at, now, end, end is None, result, lost_cost, run.refunded,
    )  # fmt: skip
    return (*job.attempts[:-1], ended)


def taken_back(job: Job) -> Job:
    """The waiting job as if its newest attempt had never counted as lost: running, and what that cost given back."""
    run = lost_run(job)
    if run is None:
        return job
    again = msgspec.structs.replace(run, ended_at=None, end=None, lost_cost=0, refunded=run.lost_cost)
    return msgspec.structs.replace(
        job,
        status=Status.RUNNING,
        attempts=(*job.attempts[:-1], again),
        lost_used=job.lost_used - run.lost_cost,
        started_at=run.started_at,
        queued_at=None,
        due_at=None,
    )


def given_away(job: Job, event: Event, now: int, result: Result) -> Change | None:
    """Waiting again, as before the newest attempt was taken back: it was ended as its worker had been told while it
    counted as lost. None: it never did, or somebody wants the job cancelled, or it did not end by that."""
    run = newest_run(job)
    if run is None or run.refunded is None or result.reason is not Reason.CANCELLED or result.left:
        return None
    if job.cancel_requested:
        return None
    return rescheduled(
        job, event, now, 0, tell=Tell.OK, note="ended as its worker was told while it counted as lost",
        attempts=recorded(job, now, Reason.LOST, result, lost_cost=run.refunded),
        lost_used=job.lost_used + run.refunded,
    )  # fmt: skip


def requeued(job: Job, event: Event, now: int, *, tell: Tell | None = None, **more: Any) -> Change:
    """Queued again, at once."""
    return changed(job, event, now, tell=tell, status=Status.QUEUED, queued_at=now, **_WAITING, **more)


def rescheduled(job: Job, event: Event, now: int, wait_sec: float, *, tell: Tell | None = None, **more: Any) -> Change:
    """Another attempt after `wait_sec`; the newest one is over."""
    due = now + int(wait_sec * 1000)
    return changed(
        job, event, now, tell=tell, closes=job.attempt,
        status=Status.SCHEDULED, due_at=due, queued_at=None, **_WAITING, **more,
    )  # fmt: skip


def finished(
    job: Job,
    event: Event,
    now: int,
    status: Status,
    reason: Reason | None,
    *,
    message: str | None,
    tell: Tell | None = None,
    **more: Any,
) -> Change:
    """The job's end. The output row of an attempt that had begun and was open is closed."""
    run = newest_run(job)
    return changed(
        job, event, now, tell=tell, closes=job.attempt if run is not None and run.ended_at is None else None,
        note=message, status=status, reason=reason, message=message, finished_at=now,
        claim_id=None, due_at=None, unknown_at=None, missing=0, **more,
    )  # fmt: skip


def judged(job: Job, event: Event, now: int, jitter: float, result: Result, *, reported: bool) -> Change:
    """What the end of the newest attempt, which has begun, makes of the job.

    A cancel asked: never another attempt; completed if it exited with 0, cancelled if the cancel ended it, else failed.
    Otherwise: completed, another attempt if reason and retries allow it, else failed.
    `reported`: the result is the worker's own and is kept, to answer the same again.
    """
    reason = reason_of(result, job.cancel_requested)
    attempts = recorded(job, now, reason, result if reported else None)
    if reason is None:
        return finished(
            job, event, now, Status.COMPLETED, None,
            message=None if result.message is None else clipped(result.message),
            tell=Tell.OK, attempts=attempts, exit_code=0,
        )  # fmt: skip
    message = sentence(job, reason, result)
    if reason is Reason.CANCELLED:
        return finished(
            job, event, now, Status.CANCELLED, None,
            message=message, tell=Tell.OK, attempts=attempts, confirmed=result.left == 0,
            exit_code=result.exit_code, signal=result.signal,
        )  # fmt: skip
    spec = job.spec
    again = retryable(spec, reason, result.exit_code) and not job.cancel_requested
    if again and job.retries_used < spec.max_retries:
        return rescheduled(
            job, event, now, retry_wait(spec.backoff, job.retries_used, jitter),
            tell=Tell.OK, note=message, attempts=attempts, retries_used=job.retries_used + 1,
        )  # fmt: skip
    if again and spec.max_retries:
        message = clipped(f"{message}; its retries are used up")
    return finished(
        job, event, now, Status.FAILED, reason,
        message=message, tell=Tell.OK, attempts=attempts, exit_code=result.exit_code, signal=result.signal,
    )  # fmt: skip


def lost(job: Job, event: Event, now: int, jitter: float) -> Change:
    """The lease of a `requeue` job is over: another attempt while `max_lost` is left, else failed."""
    spec = job.spec
    message = sentence(job, Reason.LOST)
    if job.lost_used < spec.max_lost:
        return rescheduled(
            job, event, now, retry_wait(spec.backoff, job.lost_used, jitter),
            tell=Tell.STOP, note=message, attempts=recorded(job, now, Reason.LOST, lost_cost=1),
            lost_used=job.lost_used + 1,
        )  # fmt: skip
    return given_up(job, event, now)


def given_up(job: Job, event: Event, now: int) -> Change:
    """Failed as `lost`."""
    return finished(
        job, event, now, Status.FAILED, Reason.LOST,
        message=sentence(job, Reason.LOST), tell=Tell.STOP, attempts=recorded(job, now, Reason.LOST),
    )  # fmt: skip


def cancelled(job: Job, event: Event, now: int, *, confirmed: bool, tell: Tell | None, **more: Any) -> Change:
    """Cancelled without a result. An attempt that is not over is recorded as lost: its fate is not known."""
    more.setdefault("attempts", recorded(job, now, Reason.LOST))
    by = more.get("cancelled_by", job.cancelled_by)
    return finished(
        job, event, now, Status.CANCELLED, None,
        message=clipped(f"cancelled by {by}"), tell=tell, confirmed=confirmed, **more,
    )  # fmt: skip


def wants_requeue(job: Job) -> bool:
    """Whether the job may be run again when its worker is gone, although nobody knows how the attempt ended."""
    return job.spec.on_lost is OnLost.REQUEUE
