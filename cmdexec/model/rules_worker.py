"""The cells of the table for what a worker W says of attempt n. Each docstring is the cell's text in the documentation.

The guards of `transitions` have been passed: n is the job's last attempt, and W's.
"""

from msgspec import structs

from cmdexec.model.decision import Change, NoChange, Refusal, Tell, changed
from cmdexec.model.ends import (
    REPORTABLE,
    begun,
    cancelled,
    finished,
    given_away,
    judged,
    lost_run,
    newest_run,
    recorded,
    requeued,
    rescheduled,
    taken_back,
    wants_requeue,
)
from cmdexec.model.events import (
    Dead,
    Declined,
    Ended,
    Event,
    FromWorker,
    HandedBack,
    Missing,
    NeverSpawned,
    Output,
    Resume,
)
from cmdexec.model.job import AVOID_MAX, Job, Reason, Result, Status
from cmdexec.model.sentences import clipped, sentence, signal_name

SUPERSEDED = "superseded"
"""What the history calls a message that came too late to count."""

NEVER_SPAWNED_MAX = 6
"""The time that fails the job: the workers may be at fault five times, after that the job is."""

MISSING_MAX = 2
"""Lists in a row that must lack an attempt: one may have been made before the attempt came in."""


def kept(job: Job, event: FromWorker, now: int, what: str, *, confirms: bool = False) -> Change | None:
    """The history line of a refused message: one for each attempt and kind of message, however often it is sent."""
    kind = f"{event.name}: "
    known = any(
        line.event == SUPERSEDED and line.attempt == event.attempt and (line.note or "").startswith(kind)
        for line in job.history
    )
    if (known and not confirms) or not 0 < event.attempt <= job.attempt:
        return None
    return changed(
        job, event, now, note=clipped(kind + what), called=SUPERSEDED, about=event.attempt,
        confirmed=True if confirms else job.confirmed,
    )  # fmt: skip


def told_how(event: Ended) -> str:
    """The end that a result reports, in a few words."""
    result = event.result
    if result.signal is not None:
        return f"ended by {signal_name(result.signal)}"
    return str(result.reason or f"exit code {result.exit_code or 0}")


def stop(job: Job, _event: Event, _now: int, _jitter: float) -> NoChange:
    """`stop`"""
    return NoChange(job, Tell.STOP)


def no_op(job: Job, _event: Event, _now: int, _jitter: float) -> NoChange:
    """no-op"""
    return NoChange(job, Tell.OK)


def start_assigned(job: Job, event: Event, now: int, _jitter: float) -> Change:
    """running, answer `go`"""
    return changed(job, event, now, tell=Tell.GO, opens=job.attempt, **begun(job, now))


def start_running(job: Job, _event: Event, _now: int, _jitter: float) -> NoChange:
    """`go` again (lost reply; W's journal spawns once); cancel asked: `cancel`"""
    return NoChange(job, Tell.CANCEL if job.cancel_requested else Tell.GO)


def start_unknown(job: Job, event: Event, now: int, _jitter: float) -> Change:
    """running, `go` (asking proves that it never ran)"""
    return changed(job, event, now, tell=Tell.GO, status=Status.RUNNING, unknown_at=None, missing=0)


def unborn(job: Job, event: NeverSpawned, now: int, _jitter: float) -> Change:
    """queued, no retry used (cancel asked: cancelled); the 6th time failed `start`; a start asked ahead of its slot and
    given back is not counted, nor one for which W's machine had no room"""
    run = newest_run(job)
    attempts = job.attempts if run is None else job.attempts[:-1]
    if job.cancel_requested:
        return cancelled(job, event, now, confirmed=True, tell=Tell.OK, attempts=attempts)
    times = job.never_spawned + (0 if event.blameless else 1)
    if times < NEVER_SPAWNED_MAX:
        return requeued(
            job, event, now, tell=Tell.OK, closes=None if run is None else job.attempt,
            attempts=attempts, never_spawned=times, note=None if event.message is None else clipped(event.message),
        )  # fmt: skip
    message = clipped(f"{times} times a worker took it and made no process of it{_why(event)}")
    return finished(
        job, event, now, Status.FAILED, Reason.START,
        message=message, tell=Tell.OK, attempts=attempts, never_spawned=times,
    )  # fmt: skip


def _why(event: NeverSpawned) -> str:
    return "" if event.message is None else f": {event.message}"


def confirm(job: Job, event: FromWorker, now: int, _jitter: float) -> Change | NoChange:
    """cancelled and not confirmed: `confirmed`, nothing else changes; otherwise no-op"""
    if job.confirmed is False:
        return changed(job, event, now, tell=Tell.OK, confirmed=True)
    return NoChange(job, Tell.OK)


def output_waiting(job: Job, _event: Output, _now: int, _jitter: float) -> Refusal:
    """409 `resume_first`"""
    return Refusal(
        "resume_first", f"The job is {job.status}; resume the attempt before sending its output.",
        {"status": str(job.status), "attempt": job.attempt},
    )  # fmt: skip


def output_assigned(job: Job, _event: Output, _now: int, _jitter: float) -> Refusal:
    """409 `not_started`"""
    return Refusal(
        "not_started", "The attempt has not been started; ask for its start first.",
        {"status": str(job.status), "attempt": job.attempt},
    )  # fmt: skip


def output_running(job: Job, _event: Output, _now: int, _jitter: float) -> NoChange:
    """append"""
    return NoChange(job, Tell.OK)


def output_ended(job: Job, _event: Output, _now: int, _jitter: float) -> NoChange:
    """dropped, counted"""
    return NoChange(job, Tell.DROP)


def resume_waiting(job: Job, event: Resume, now: int, _jitter: float) -> Change | NoChange:
    """if n ended as `lost`: running again; that end, and what it cost, are taken back; otherwise `stop`"""
    if lost_run(job) is None:
        return NoChange(job, Tell.STOP)
    return changed(taken_back(job), event, now, tell=Tell.OK, opens=job.attempt)


def resume_held(job: Job, event: Resume, now: int, _jitter: float) -> Change | NoChange:
    """lease renewed; cancel asked: `cancel`"""
    tell = Tell.CANCEL if job.cancel_requested else Tell.OK
    if job.missing:
        return changed(job, event, now, tell=tell, missing=0)
    return NoChange(job, tell)


def resume_unknown(job: Job, event: Resume, now: int, _jitter: float) -> Change:
    """running"""
    return changed(job, event, now, tell=Tell.OK, status=Status.RUNNING, unknown_at=None, missing=0)


def missing_assigned(job: Job, event: Missing, now: int, _jitter: float) -> Change:
    """queued (the first time: noted)"""
    if job.missing + 1 < MISSING_MAX:
        return changed(job, event, now, missing=job.missing + 1)
    return requeued(job, event, now, tell=Tell.STOP)


def missing_running(job: Job, event: Missing, now: int, jitter: float) -> Change:
    """as if W knew that n is dead (the first time: noted)"""
    if job.missing + 1 < MISSING_MAX:
        return changed(job, event, now, missing=job.missing + 1)
    result = Result(Reason.WORKER, message="it no longer has the job", output_lost=True)
    return judged(job, event, now, jitter, result, reported=False)


def result_waiting(job: Job, event: Ended, now: int, jitter: float) -> Change | Refusal:
    """if n ended as `lost`: accepted as in running (work is not done twice); otherwise 409, kept in history"""
    if lost_run(job) is None:
        return result_ended(job, event, now, jitter)
    return result_running(taken_back(job), event, now, jitter)


def result_assigned(job: Job, event: Ended, now: int, jitter: float) -> Change | Refusal:
    """start + result"""
    decision = result_running(structs.replace(job, **begun(job, now)), event, now, jitter)
    if isinstance(decision, Refusal):
        return decision
    return structs.replace(decision, opens=job.attempt)


def result_running(job: Job, event: Ended, now: int, jitter: float) -> Change | Refusal:
    """exit 0 completed; else by reason and retries left scheduled (backoff) or failed; cancel asked, **never retried**:
    exit 0 completed; ended by the cancel cancelled, confirmed; else failed; n counted as `lost` once, and was ended by
    the `stop` for that: scheduled, at the cost it had then"""
    reason = event.result.reason
    if reason is not None and reason not in REPORTABLE:
        return Refusal("invalid_field", f"A worker cannot end an attempt as {reason}.", {"reason": sorted(REPORTABLE)})
    away = given_away(job, event, now, event.result)
    return judged(job, event, now, jitter, event.result, reported=True) if away is None else away


def result_ended(job: Job, event: Ended, now: int, _jitter: float) -> Refusal:
    """409, kept in history; of one cancelled and not confirmed: `confirmed`, if nothing is left alive"""
    confirms = job.confirmed is False and event.result.left == 0
    return Refusal(
        "conflict", f"The job is {job.status}; the result is not needed any more.", {"status": str(job.status)},
        Tell.DROP, kept(job, event, now, told_how(event), confirms=confirms),
    )  # fmt: skip


def declined(job: Job, event: Declined, now: int, _jitter: float) -> Change:
    """queued, W avoided, no retry used; nobody else matches: failed `rejected`"""
    known_as = event.known_as or event.worker_id
    avoid = (*(name for name in job.avoid if name != known_as), known_as)[-AVOID_MAX:]
    if event.others_match:
        return requeued(job, event, now, tell=Tell.OK, note=clipped(event.message), avoid=avoid)
    message = sentence(job, Reason.REJECTED, detail=event.message)
    return finished(job, event, now, Status.FAILED, Reason.REJECTED, message=message, tell=Tell.OK, avoid=avoid)


def back_to_queue(job: Job, event: FromWorker, now: int, _jitter: float) -> Change:
    """queued"""
    return requeued(job, event, now, tell=Tell.OK)


def handed_back_running(job: Job, event: HandedBack, now: int, _jitter: float) -> Change:
    """`hold`, or cancel asked: failed `worker`; `requeue`: scheduled, no retry used; if n counted as `lost` once, at
    the cost it had then"""
    run = newest_run(job)
    cost = 0 if run is None else run.refunded or 0
    if wants_requeue(job) and not job.cancel_requested:
        attempts = recorded(job, now, Reason.WORKER, lost_cost=cost)
        return rescheduled(job, event, now, 0, tell=Tell.OK, attempts=attempts, lost_used=job.lost_used + cost)
    attempts = recorded(job, now, Reason.WORKER)
    message = sentence(job, Reason.WORKER, detail="it was stopped while the job ran")
    return finished(job, event, now, Status.FAILED, Reason.WORKER, message=message, tell=Tell.OK, attempts=attempts)


def dead_running(job: Job, event: Dead, now: int, jitter: float) -> Change:
    """attempt ended `worker`, then as a result"""
    why = [text for text in (event.message, event.back.note if event.back is not None else None) if text]
    result = Result(Reason.WORKER, message="; ".join(why) or None, output_lost=True)
    return judged(job, event, now, jitter, result, reported=False)
