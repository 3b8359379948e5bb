"""The cells of the table for what servers and people do. Each docstring is the cell's text in the
documentation.

Each rule is `(job, event, now, jitter) -> Decision`, and is called only for the columns that the table names.
"""

from cmdexec.model.birth import claimed
from cmdexec.model.decision import Change, NoChange, Refusal, Tell, changed, refused
from cmdexec.model.ends import cancelled, finished, given_up, lost, lost_run, recorded, requeued, wants_requeue
from cmdexec.model.events import Cancel, Claim, DependencyFailed, Due, Expired, LeaseOver, LostTimeout, Recall, Requeue
from cmdexec.model.job import Job, Reason, Status
from cmdexec.model.sentences import clipped, sentence


def due(job: Job, event: Due, now: int, _jitter: float) -> Change | NoChange:
    """scheduled → queued; no-op when it is queued, or when its time was moved on since"""
    if job.status is Status.QUEUED or (job.due_at is not None and job.due_at > now):
        return NoChange(job)
    return changed(job, event, now, status=Status.QUEUED, queued_at=now, due_at=None)


def dependency_failed(job: Job, event: DependencyFailed, now: int, _jitter: float) -> Change:
    """failed `dependency`"""
    message = clipped(f"job {event.job_id}, on which it depends, did not complete")
    return finished(job, event, now, Status.FAILED, Reason.DEPENDENCY, message=message)


def expired(job: Job, event: Expired, now: int, _jitter: float) -> Change | NoChange:
    """failed `expired`; no-op when an attempt of it has begun"""
    if job.runs:
        return NoChange(job)
    return finished(job, event, now, Status.FAILED, Reason.EXPIRED, message=sentence(job, Reason.EXPIRED))


def claim(job: Job, event: Claim, now: int, jitter: float) -> Change | Refusal:
    """assigned, attempt + 1 (from queued only, and by no worker that declined it)"""
    if job.status is not Status.QUEUED:
        return refused(job, event, now, jitter)
    if event.avoided_as in job.avoid:
        return Refusal("conflict", f"Worker {event.worker_id} declined this job.", {"status": str(job.status)})
    return Change(claimed(job, event, now), job.rev, Tell.OK)


def recall(job: Job, event: Recall, now: int, _jitter: float) -> Change:
    """queued; W's `start n` gets `stop`"""
    return requeued(job, event, now, tell=Tell.STOP)


def cancel_waiting(job: Job, event: Cancel, now: int, _jitter: float) -> Change:
    """cancelled; not confirmed only when its last attempt ended as `lost` and may still run"""
    return cancelled(
        job, event, now, confirmed=lost_run(job) is None, tell=None, cancel_requested=True, cancelled_by=event.by
    )  # fmt: skip


def cancel_assigned(job: Job, event: Cancel, now: int, _jitter: float) -> Change:
    """cancelled (it never ran; `start n` gets `stop`)"""
    return cancelled(
        job, event, now, confirmed=True, tell=Tell.STOP, cancel_requested=True, cancelled_by=event.by
    )  # fmt: skip


def cancel_running(job: Job, event: Cancel, now: int, _jitter: float) -> Change | NoChange:
    """cancel asked: whole tree TERM, grace, KILL; asked again, W is told again"""
    if job.cancel_requested:
        return NoChange(job, Tell.CANCEL)
    return changed(job, event, now, tell=Tell.CANCEL, cancel_requested=True, cancelled_by=event.by)


def cancel_unknown(job: Job, event: Cancel, now: int, _jitter: float) -> Change:
    """cancelled, not confirmed; W is told `stop` if it ever returns"""
    return cancelled(
        job, event, now, confirmed=False, tell=Tell.STOP, cancel_requested=True, cancelled_by=event.by
    )  # fmt: skip


def too_late(job: Job, _event: Cancel, _now: int, _jitter: float) -> NoChange:
    """200 `too_late`"""
    return NoChange(job, Tell.TOO_LATE)


def lease_over_assigned(job: Job, event: LeaseOver, now: int, _jitter: float) -> Change | NoChange:
    """queued"""
    if event.session != job.session:
        return NoChange(job)
    return requeued(job, event, now, tell=Tell.STOP)


def lease_over_running(job: Job, event: LeaseOver, now: int, jitter: float) -> Change | NoChange:
    """cancel asked: cancelled, not confirmed; `hold`: unknown; `requeue`: attempt ended `lost`, scheduled while
    `maxLost` is left, else failed `lost`"""
    if event.session != job.session:
        return NoChange(job)
    if job.cancel_requested:
        return cancelled(job, event, now, confirmed=False, tell=Tell.STOP)
    if wants_requeue(job):
        return lost(job, event, now, jitter)
    return changed(job, event, now, status=Status.UNKNOWN, unknown_at=now, missing=0)


def lost_timeout(job: Job, event: LostTimeout, now: int, _jitter: float) -> Change:
    """failed `lost`"""
    return given_up(job, event, now)


def requeue(job: Job, event: Requeue, now: int, _jitter: float) -> Change | Refusal:
    """with `acceptDuplicate: true` queued, attempt ended `lost` at no cost; without it 409"""
    if not event.accept_duplicate:
        return Refusal(
            "conflict",
            "The first run may still be going on; running the job again may run it twice.",
            {"status": str(job.status), "acceptDuplicate": True},
        )
    return requeued(
        job, event, now, tell=Tell.STOP, closes=job.attempt, attempts=recorded(job, now, Reason.LOST)
    )  # fmt: skip


def requeue_ended(job: Job, _event: Requeue, _now: int, _jitter: float) -> Refusal:
    """– (`rerun` makes a new job)"""
    return Refusal("conflict", f"The job is {job.status}; rerun makes a new job of it.", {"status": str(job.status)})
