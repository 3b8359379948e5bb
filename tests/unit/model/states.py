"""A job in each place where the table may find it, written out by hand, and each event about its attempt 1."""

from typing import Any

from cmdexec.model import events as on
from cmdexec.model.job import Attempt, Backoff, Job, Line, OnLost, Reason, Result, Spec, Status

W, S, N = "w1", "s1", 1
"""The worker, its session and the attempt that all events of these tests are about."""

NOW = 1_000_000
DUE = NOW + 1000
"""When a retry of these jobs is due: their backoff is one second for a jitter of 0.5 (half of first_sec 2)."""

HOLD = Spec("true", backoff=Backoff(2.0, 2.0))
REQUEUE = Spec("true", on_lost=OnLost.REQUEUE, backoff=Backoff(2.0, 2.0))
RETRIED = Spec("true", max_retries=1, backoff=Backoff(2.0, 2.0))

GOOD = Result(exit_code=0)
BAD = Result(Reason.EXIT, exit_code=3)
KILLED = Result(Reason.CANCELLED, signal=15)


def job(status: Status, **fields: Any) -> Job:
    """A job of one minute ago."""
    values: dict[str, Any] = {
        "job_id": "j1", "owner": "ann", "submit_key": "k", "body_hash": "h", "spec": HOLD, "status": status,
        "created_at": NOW - 60_000, "rank": NOW - 60_000, "rev": 7,
        "history": (Line(NOW - 60_000, "submit", Status.QUEUED, 0, "ann"),),
    }  # fmt: skip
    return Job(**{**values, **fields})


def run(**fields: Any) -> tuple[Attempt, ...]:
    """The record of attempt 1, begun ten seconds ago."""
    return (Attempt(N, W, S, NOW - 10_000, **fields),)


HELD: dict[str, Any] = {"attempt": N, "worker_id": W, "session": S, "queued_at": NOW - 60_000}
GIVEN: dict[str, Any] = {**HELD, "claim_id": "c1", "assigned_at": NOW - 20_000}
BEGUN: dict[str, Any] = {**GIVEN, "started_at": NOW - 10_000, "attempts": run()}
RETURNED: dict[str, Any] = {**BEGUN, "attempts": run(refunded=1)}
OVER: dict[str, Any] = {**HELD, "assigned_at": NOW - 20_000, "started_at": NOW - 10_000, "finished_at": NOW - 5000}
LOST = run(ended_at=NOW - 5000, end=Reason.LOST, lost_cost=1)
ASKED: dict[str, Any] = {"cancel_requested": True, "cancelled_by": "ann"}

STATES: dict[str, Job] = {
    "scheduled": job(Status.SCHEDULED, due_at=NOW - 1),
    "scheduled, later": job(Status.SCHEDULED, due_at=NOW + 1),
    "queued": job(Status.QUEUED, queued_at=NOW - 60_000),
    "recalled": job(Status.QUEUED, **HELD),
    "retried": job(
        Status.SCHEDULED, **{**HELD, "queued_at": None}, due_at=NOW - 1, retries_used=1,
        attempts=run(ended_at=NOW - 5000, end=Reason.EXIT, result=BAD),
    ),
    "lost": job(
        Status.SCHEDULED, **{**HELD, "queued_at": None}, spec=REQUEUE, due_at=NOW - 1, lost_used=2, attempts=LOST,
    ),
    "stopped": job(
        Status.QUEUED, **HELD,
        attempts=run(ended_at=NOW - 5000, end=Reason.LOST, result=KILLED, lost_cost=1, refunded=1), lost_used=1,
    ),
    "declined": job(Status.QUEUED, queued_at=NOW - 60_000, avoid=(W,)),
    "assigned": job(Status.ASSIGNED, **GIVEN),
    "assigned, missed": job(Status.ASSIGNED, **GIVEN, missing=1),
    "assigned, 5 times unborn": job(Status.ASSIGNED, **GIVEN, never_spawned=5),
    "running": job(Status.RUNNING, **BEGUN),
    "running, missed": job(Status.RUNNING, **BEGUN, missing=1),
    "running, requeue": job(Status.RUNNING, **BEGUN, spec=REQUEUE),
    "running, requeue, no lost left": job(Status.RUNNING, **BEGUN, spec=REQUEUE, lost_used=3),
    "running, retries": job(Status.RUNNING, **BEGUN, spec=RETRIED),
    "running, retries used": job(Status.RUNNING, **BEGUN, spec=RETRIED, retries_used=1),
    "running, cancel asked": job(Status.RUNNING, **BEGUN, **ASKED),
    "running, retries, cancel asked": job(Status.RUNNING, **BEGUN, **ASKED, spec=RETRIED),
    "running, requeue, cancel asked": job(Status.RUNNING, **BEGUN, **ASKED, spec=REQUEUE),
    "running, requeue, was lost": job(Status.RUNNING, **RETURNED, spec=REQUEUE, lost_used=1),
    "running, was requeued": job(Status.RUNNING, **{**BEGUN, "attempts": run(refunded=0)}),
    "running, was lost, cancel asked": job(Status.RUNNING, **RETURNED, **ASKED),
    "running, 5 times unborn": job(Status.RUNNING, **BEGUN, never_spawned=5),
    "unknown": job(Status.UNKNOWN, **BEGUN, unknown_at=NOW - 5000),
    "unknown, missed": job(Status.UNKNOWN, **BEGUN, unknown_at=NOW - 5000, missing=1),
    "unknown, retries": job(Status.UNKNOWN, **BEGUN, unknown_at=NOW - 5000, spec=RETRIED),
    "completed": job(Status.COMPLETED, **OVER, attempts=run(ended_at=NOW - 5000, ok=True, result=GOOD)),
    "failed": job(
        Status.FAILED, **OVER, reason=Reason.WORKER, attempts=run(ended_at=NOW - 5000, end=Reason.WORKER),
    ),
    "failed, lost": job(Status.FAILED, **OVER, reason=Reason.LOST, attempts=LOST),
    "cancelled, confirmed": job(Status.CANCELLED, **HELD, **ASKED, finished_at=NOW - 5000, confirmed=True),
    "cancelled, not confirmed": job(Status.CANCELLED, **OVER, **ASKED, confirmed=False, attempts=LOST),
}  # fmt: skip

COLUMN_OF = dict.fromkeys(("queued", "recalled", "retried", "lost", "stopped", "declined"), "waiting")


def column(state: str) -> str:
    """The column of the table that a state of STATES stands in: by its name, not by the code under test."""
    word = state.partition(",")[0]
    return {
        "scheduled": "waiting", "completed": "ended", "failed": "ended", "cancelled": "ended", **COLUMN_OF,
    }.get(word, word)  # fmt: skip


EVENTS: dict[str, on.Event] = {
    "due": on.Due(),
    "dependency": on.DependencyFailed("j0"),
    "expired": on.Expired(),
    "claim": on.Claim(W, S, "c2"),
    "recall": on.Recall(),
    "start": on.Start(W, S, N),
    "never spawned": on.NeverSpawned(W, S, N),
    "started ahead": on.NeverSpawned(W, S, N, blameless=True),
    "output": on.Output(W, S, N),
    "resume": on.Resume(W, S, N),
    "missing": on.Missing(W, S, N),
    "result 0": on.Ended(W, S, N, GOOD),
    "result 3": on.Ended(W, S, N, BAD),
    "result cancelled": on.Ended(W, S, N, KILLED),
    "declined, others": on.Declined(W, S, N, "no shells here", others_match=True),
    "declined, no others": on.Declined(W, S, N, "no shells here"),
    "handed back": on.HandedBack(W, S, N),
    "dead": on.Dead(W, S, N, "the machine restarted"),
    "cancel": on.Cancel("bob"),
    "lease over": on.LeaseOver(S),
    "lease of another over": on.LeaseOver("s2"),
    "lost timeout": on.LostTimeout(),
    "requeue": on.Requeue("bob"),
    "requeue, duplicate accepted": on.Requeue("bob", accept_duplicate=True),
}
