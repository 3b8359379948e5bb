"""The table of what can happen to a job, as data, and `decide`, which looks a cell up and applies it.

Two guards stand before the table, for what workers say (`GUARDS`). `docs/transitions.md` is made
from here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from cmdexec.model import events as on
from cmdexec.model import rules, rules_worker
from cmdexec.model.birth import claimed, queued
from cmdexec.model.decision import Change, Decision, NoChange, Refusal, Tell, refused
from cmdexec.model.job import Job, Status

__all__ = [
    "COLUMNS", "GUARDS", "TABLE", "Change", "Decision", "NoChange", "Refusal", "Row", "Rule", "Tell", "claimed",
    "decide", "queued",
]  # fmt: skip

Rule = Callable[[Job, Any, int, float], Decision]
"""`(job, event, now, jitter) -> Decision`, for the one kind of event of its row."""


class Row(NamedTuple):
    """What an event does in each column."""

    says: str
    waiting: Rule
    assigned: Rule
    running: Rule
    unknown: Rule
    ended: Rule


COLUMNS: dict[Status, str] = {
    Status.SCHEDULED: "waiting",
    Status.QUEUED: "waiting",
    Status.ASSIGNED: "assigned",
    Status.RUNNING: "running",
    Status.UNKNOWN: "unknown",
    Status.COMPLETED: "ended",
    Status.FAILED: "ended",
    Status.CANCELLED: "ended",
}
"""Status → column."""

_no = refused
_stop, _noop = rules_worker.stop, rules_worker.no_op

TABLE: dict[type[on.Event], Row] = {
    on.Due: Row("its time has come; dependencies met", rules.due, _no, _no, _no, _no),
    on.DependencyFailed: Row("a dependency ended otherwise", rules.dependency_failed, _no, _no, _no, _no),
    on.Expired: Row("`ttlSec` over", rules.expired, _no, _no, _no, _no),
    on.Claim: Row("claim by W", rules.claim, _no, _no, _no, _no),
    on.Recall: Row("recall: another worker has a free matching slot", _no, rules.recall, _no, _no, _no),
    on.Start: Row(
        "W asks `start n`",
        _stop, rules_worker.start_assigned, rules_worker.start_running, rules_worker.start_unknown, _stop,
    ),
    on.NeverSpawned: Row(
        "W: `neverSpawned n`",
        _noop, rules_worker.unborn, rules_worker.unborn, rules_worker.unborn, rules_worker.confirm,
    ),
    on.Output: Row(
        "output n",
        rules_worker.output_waiting, rules_worker.output_assigned, rules_worker.output_running,
        rules_worker.output_waiting, rules_worker.output_ended,
    ),
    on.Resume: Row(
        "`resume n`: W names it as held",
        rules_worker.resume_waiting, rules_worker.resume_held, rules_worker.resume_held,
        rules_worker.resume_unknown, _stop,
    ),
    on.Missing: Row(
        "W's complete list of held attempts lacks n twice, both sent after n was given",
        _no, rules_worker.missing_assigned, rules_worker.missing_running, rules_worker.missing_running, _no,
    ),
    on.Ended: Row(
        "result n",
        rules_worker.result_waiting, rules_worker.result_assigned, rules_worker.result_running,
        rules_worker.result_running, rules_worker.result_ended,
    ),
    on.Declined: Row("W declines n (policy)", _no, rules_worker.declined, _no, _no, _no),
    on.HandedBack: Row(
        "W hands n back (owner returns, drain over)",
        _no, rules_worker.back_to_queue, rules_worker.handed_back_running, _no, _no,
    ),
    on.Dead: Row(
        "W knows that n is dead (it restarted, its machine too)",
        _no, rules_worker.back_to_queue, rules_worker.dead_running, rules_worker.dead_running, rules_worker.confirm,
    ),
    on.Cancel: Row(
        "cancel",
        rules.cancel_waiting, rules.cancel_assigned, rules.cancel_running, rules.cancel_unknown, rules.too_late,
    ),
    on.LeaseOver: Row(
        "lease of W over; W revoked", _no, rules.lease_over_assigned, rules.lease_over_running, _no, _no,
    ),
    on.LostTimeout: Row("`lostTimeoutSec` over", _no, _no, _no, rules.lost_timeout, _no),
    on.Requeue: Row("a person's requeue", _no, _no, _no, rules.requeue, rules.requeue_ended),
}  # fmt: skip
"""The table: what happens → the rule of each column."""

_CELLS: dict[type[on.Event], dict[Status, Rule]] = {
    kind: {status: getattr(row, column) for status, column in COLUMNS.items()} for kind, row in TABLE.items()
}


def repeated(job: Job, event: on.FromWorker, now: int, _jitter: float) -> NoChange | Refusal | None:
    """First of all: a result that attempt n already has gets the stored answer if it is the same; another one for it
    gets 409, kept in history."""
    if not isinstance(event, on.Ended):
        return None
    run = job.attempt_named(event.attempt)
    if run is None or run.result is None:
        return None
    if run.result == event.result:
        return NoChange(job, Tell.OK)
    return Refusal(
        "conflict",
        f"Attempt {event.attempt} has ended with another result.",
        {"status": str(job.status), "attempt": job.attempt},
        Tell.DROP,
        rules_worker.kept(job, event, now, rules_worker.told_how(event)),
    )


def stale(job: Job, event: on.FromWorker, now: int, _jitter: float) -> Refusal | None:
    """Then: if the job's last attempt is not n or was not W's, `409 stale_attempt`, and W ends n; a result or a
    `resume` is kept in history as superseded."""
    if event.attempt == job.attempt and event.session == job.session:
        return None
    also = None
    if isinstance(event, on.Ended):
        also = rules_worker.kept(job, event, now, rules_worker.told_how(event))
    elif isinstance(event, on.Resume):
        also = rules_worker.kept(job, event, now, "still held")
    message = f"Attempt {event.attempt} does not hold this job; attempt {job.attempt} is its last."
    if event.attempt == job.attempt:
        message = f"Attempt {event.attempt} of this job is not this worker's."
    return Refusal(
        "stale_attempt",
        message,
        {"status": str(job.status), "attempt": job.attempt},
        Tell.DROP if isinstance(event, on.Ended) else Tell.STOP,
        also,
    )


Guard = Callable[[Job, Any, int, float], NoChange | Refusal | None]

GUARDS: tuple[Guard, ...] = (repeated, stale)
"""What stands before the table for events of workers: the first that answers decides."""


def decide(job: Job, event: on.Event, now: int, jitter: float) -> Decision:
    """What `event` makes of `job`. Pure; never raises for any job and event that the types allow.

    now      milliseconds of the wall clock, for the fields that people see and for `due_at`
    jitter   a random float in [0, 1), for the backoff
    """
    if isinstance(event, on.FromWorker):
        for guard in GUARDS:
            answer = guard(job, event, now, jitter)
            if answer is not None:
                return answer
    return _CELLS[type(event)][job.status](job, event, now, jitter)
