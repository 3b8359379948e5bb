"""What every cell of the table makes of a job, written by hand from the promises: event → state → outcome."""

from dataclasses import dataclass, field
from typing import Any

from cmdexec.model.decision import Tell
from cmdexec.model.job import Attempt, Reason, Status
from tests.unit.model.states import BAD, DUE, GOOD, KILLED, NOW, N, S, W

OK, GO, STOP, CANCEL, DROP = Tell.OK, Tell.GO, Tell.STOP, Tell.CANCEL, Tell.DROP


@dataclass(frozen=True)
class Becomes:
    """A change: these fields, and no others, with these values."""

    status: Status
    fields: dict[str, Any]
    tell: Tell | None = None
    opens: int | None = None
    closes: int | None = None


@dataclass(frozen=True)
class Stays:
    """An answer without a change."""

    tell: Tell | None = None


@dataclass(frozen=True)
class No:
    """A refusal; `kept`: it stays in the history; `also`: fields that change with that."""

    code: str = "conflict"
    tell: Tell | None = None
    kept: bool = False
    also: dict[str, Any] = field(default_factory=dict)


def becomes(status: str, tell: Tell | None = None, /, *, opens: int | None = None, closes: int | None = None,
            **fields: Any) -> Becomes:  # fmt: skip
    return Becomes(Status(status), fields, tell, opens, closes)


NO = No()
LATE = No(tell=DROP, kept=True)
WAITS: dict[str, Any] = {"claim_id": None, "assigned_at": None}
AGAIN: dict[str, Any] = {**WAITS, "started_at": None}
BACK = {"queued_at": NOW, **WAITS}
ENDS = {"finished_at": NOW, "claim_id": None}
BY_BOB = {"cancel_requested": True, "cancelled_by": "bob"}
UNHEARD = "worker w1 lost, given up"
GONE = "worker w1 gave it up"
DIED = f"{GONE}: the machine restarted"
NO_LONGER = f"{GONE}: it no longer has the job"
UNBORN = "6 times a worker took it and made no process of it"


def ended(
    end: Reason | None, result: Any = None, lost_cost: int = 0, started: int = NOW - 10_000, refunded: int | None = None
) -> tuple[Attempt]:
    return (Attempt(N, W, S, started, NOW, end, end is None, result, lost_cost, refunded),)


FAILS_BY_WORKER = becomes(
    "failed", OK, closes=1, reason=Reason.WORKER, message=DIED, attempts=ended(Reason.WORKER), **ENDS
)  # fmt: skip
SPENT = "its retries are used up"
SPENT_BY_WORKER = becomes(
    "failed", OK, closes=1, reason=Reason.WORKER, message=f"{DIED}; {SPENT}", attempts=ended(Reason.WORKER), **ENDS
)  # fmt: skip
SPENT_BY_EXIT = becomes(
    "failed", OK, closes=1, reason=Reason.EXIT, exit_code=3, message=f"exit code 3; {SPENT}",
    attempts=ended(Reason.EXIT, BAD), **ENDS,
)  # fmt: skip
COMPLETES = becomes("completed", OK, closes=1, exit_code=0, attempts=ended(None, GOOD), **ENDS)
FAILS = becomes(
    "failed", OK, closes=1, reason=Reason.EXIT, exit_code=3, message="exit code 3", attempts=ended(Reason.EXIT, BAD),
    **ENDS,
)  # fmt: skip
UNBORN_FAILS = becomes("failed", OK, reason=Reason.START, message=UNBORN, never_spawned=6, **ENDS)

CELLS: dict[str, dict[str, Becomes | Stays | No]] = {
    "due": {
        "scheduled": becomes("queued", queued_at=NOW, due_at=None),
        "retried": becomes("queued", queued_at=NOW, due_at=None),
        "scheduled, later": Stays(), "queued": Stays(),
        "assigned": NO, "running": NO, "unknown": NO, "completed": NO,
    },
    "dependency": {
        "queued": becomes(
            "failed", reason=Reason.DEPENDENCY, finished_at=NOW,
            message="job j0, on which it depends, did not complete",
        ),
        "assigned": NO, "running": NO, "unknown": NO, "failed": NO,
    },
    "expired": {
        "scheduled": becomes(
            "failed", reason=Reason.EXPIRED, finished_at=NOW, due_at=None, message="waited past its limit",
        ),
        "queued": becomes("failed", reason=Reason.EXPIRED, finished_at=NOW, message="waited past its limit"),
        "retried": Stays(),
        "assigned": NO, "running": NO, "unknown": NO, "completed": NO,
    },
    "claim": {
        "queued": becomes(
            "assigned", OK, attempt=1, worker_id=W, session=S, claim_id="c2", assigned_at=NOW,
        ),
        "recalled": becomes("assigned", OK, attempt=2, claim_id="c2", assigned_at=NOW),
        "scheduled": NO, "declined": NO, "assigned": NO, "running": NO, "unknown": NO, "cancelled, confirmed": NO,
    },
    "recall": {
        "queued": NO, "assigned": becomes("queued", STOP, **BACK), "running": NO, "unknown": NO, "completed": NO,
    },
    "start": {
        "recalled": Stays(STOP), "lost": Stays(STOP),
        "assigned": becomes("running", GO, opens=1, started_at=NOW, attempts=(Attempt(N, W, S, NOW),)),
        "running": Stays(GO), "running, cancel asked": Stays(CANCEL),
        "unknown": becomes("running", GO, unknown_at=None),
        "completed": Stays(STOP), "cancelled, not confirmed": Stays(STOP),
    },
    "never spawned": {
        "recalled": Stays(OK),
        "assigned": becomes("queued", OK, never_spawned=1, **BACK),
        "assigned, 5 times unborn": UNBORN_FAILS,
        "running": becomes("queued", OK, closes=1, never_spawned=1, queued_at=NOW, attempts=(), **AGAIN),
        "running, 5 times unborn": becomes(
            "failed", OK, closes=1, reason=Reason.START, message=UNBORN, never_spawned=6, attempts=(), **ENDS
        ),
        "running, cancel asked": becomes(
            "cancelled", OK, closes=1, message="cancelled by ann", confirmed=True, attempts=(), **ENDS
        ),
        "unknown": becomes(
            "queued", OK, closes=1, never_spawned=1, queued_at=NOW, attempts=(), unknown_at=None, **AGAIN
        ),
        "failed": Stays(OK), "cancelled, confirmed": Stays(OK),
        "cancelled, not confirmed": becomes("cancelled", OK, confirmed=True),
    },
    "started ahead": {
        "recalled": Stays(OK),
        "assigned": becomes("queued", OK, **BACK),
        "assigned, 5 times unborn": becomes("queued", OK, **BACK),
        "running": becomes("queued", OK, closes=1, queued_at=NOW, attempts=(), **AGAIN),
        "running, 5 times unborn": becomes("queued", OK, closes=1, queued_at=NOW, attempts=(), **AGAIN),
        "running, cancel asked": becomes(
            "cancelled", OK, closes=1, message="cancelled by ann", confirmed=True, attempts=(), **ENDS
        ),
        "unknown": becomes("queued", OK, closes=1, queued_at=NOW, attempts=(), unknown_at=None, **AGAIN),
        "failed": Stays(OK), "cancelled, confirmed": Stays(OK),
        "cancelled, not confirmed": becomes("cancelled", OK, confirmed=True),
    },
    "output": {
        "recalled": No("resume_first"), "lost": No("resume_first"),
        "assigned": No("not_started"),
        "running": Stays(OK), "running, cancel asked": Stays(OK),
        "unknown": No("resume_first"),
        "completed": Stays(DROP), "cancelled, not confirmed": Stays(DROP),
    },
    "resume": {
        "lost": becomes(
            "running", OK, opens=1, lost_used=1, due_at=None, started_at=NOW - 10_000,
            attempts=(Attempt(N, W, S, NOW - 10_000, refunded=1),),
        ),
        "recalled": Stays(STOP), "retried": Stays(STOP), "stopped": Stays(STOP),
        "assigned": Stays(OK), "assigned, missed": becomes("assigned", OK, missing=0),
        "running": Stays(OK), "running, missed": becomes("running", OK, missing=0),
        "running, cancel asked": Stays(CANCEL),
        "unknown": becomes("running", OK, unknown_at=None),
        "completed": Stays(STOP), "failed, lost": Stays(STOP), "cancelled, not confirmed": Stays(STOP),
    },
    "missing": {
        "recalled": NO, "lost": NO,
        "assigned": becomes("assigned", missing=1),
        "assigned, missed": becomes("queued", STOP, missing=0, **BACK),
        "running": becomes("running", missing=1),
        "running, missed": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, message=NO_LONGER, attempts=ended(Reason.WORKER), missing=0,
            **ENDS,
        ),
        "unknown": becomes("unknown", missing=1),
        "unknown, missed": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, message=NO_LONGER, attempts=ended(Reason.WORKER), missing=0,
            unknown_at=None, **ENDS,
        ),
        "cancelled, not confirmed": NO,
    },
    "result 0": {
        "recalled": LATE, "retried": LATE,
        "lost": becomes(
            "completed", OK, closes=1, exit_code=0, lost_used=1, started_at=NOW - 10_000, finished_at=NOW, due_at=None,
            attempts=ended(None, GOOD, refunded=1),
        ),
        "assigned": becomes(
            "completed", OK, opens=1, closes=1, exit_code=0, started_at=NOW,
            attempts=ended(None, GOOD, started=NOW), **ENDS,
        ),
        "running": COMPLETES, "running, retries": COMPLETES, "running, cancel asked": COMPLETES,
        "unknown": becomes(
            "completed", OK, closes=1, exit_code=0, attempts=ended(None, GOOD), unknown_at=None, **ENDS
        ),
        "completed": Stays(OK), "failed": LATE, "cancelled, confirmed": LATE,
        "cancelled, not confirmed": No(tell=DROP, kept=True, also={"confirmed": True}),
    },
    "result 3": {
        "recalled": LATE,
        "lost": becomes(
            "failed", OK, closes=1, reason=Reason.EXIT, exit_code=3, message="exit code 3", lost_used=1,
            started_at=NOW - 10_000, finished_at=NOW, due_at=None, attempts=ended(Reason.EXIT, BAD, refunded=1),
        ),
        "retried": Stays(OK),
        "assigned": becomes(
            "failed", OK, opens=1, closes=1, reason=Reason.EXIT, exit_code=3, message="exit code 3", started_at=NOW,
            attempts=ended(Reason.EXIT, BAD, started=NOW), **ENDS,
        ),
        "running": FAILS, "running, retries used": SPENT_BY_EXIT, "running, cancel asked": FAILS,
        "running, retries, cancel asked": FAILS,
        "running, retries": becomes(
            "scheduled", OK, closes=1, due_at=DUE, retries_used=1, queued_at=None, attempts=ended(Reason.EXIT, BAD),
            **AGAIN,
        ),
        "unknown": becomes(
            "failed", OK, closes=1, reason=Reason.EXIT, exit_code=3, message="exit code 3", unknown_at=None,
            attempts=ended(Reason.EXIT, BAD), **ENDS,
        ),
        "unknown, retries": becomes(
            "scheduled", OK, closes=1, due_at=DUE, retries_used=1, queued_at=None, unknown_at=None,
            attempts=ended(Reason.EXIT, BAD), **AGAIN,
        ),
        "completed": LATE, "failed, lost": LATE,
    },
    "result cancelled": {
        "recalled": LATE, "stopped": Stays(OK),
        "lost": becomes(
            "scheduled", OK, closes=1, due_at=NOW, attempts=ended(Reason.LOST, KILLED, lost_cost=1, refunded=1),
        ),
        "running, requeue, was lost": becomes(
            "scheduled", OK, closes=1, due_at=NOW, lost_used=2, queued_at=None,
            attempts=ended(Reason.LOST, KILLED, lost_cost=1, refunded=1), **AGAIN,
        ),
        "running, was requeued": becomes(
            "scheduled", OK, closes=1, due_at=NOW, queued_at=None,
            attempts=ended(Reason.LOST, KILLED, refunded=0), **AGAIN,
        ),
        "running, was lost, cancel asked": becomes(
            "cancelled", OK, closes=1, signal=15, message="cancelled by ann", confirmed=True,
            attempts=ended(Reason.CANCELLED, KILLED, refunded=1), **ENDS,
        ),
        "assigned": becomes(
            "failed", OK, opens=1, closes=1, reason=Reason.WORKER, signal=15, message=GONE, started_at=NOW,
            attempts=ended(Reason.WORKER, KILLED, started=NOW), **ENDS,
        ),
        "running": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, signal=15, message=GONE,
            attempts=ended(Reason.WORKER, KILLED), **ENDS,
        ),
        "running, retries, cancel asked": becomes(
            "cancelled", OK, closes=1, signal=15, message="cancelled by ann", confirmed=True,
            attempts=ended(Reason.CANCELLED, KILLED), **ENDS,
        ),
        "unknown": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, signal=15, message=GONE, unknown_at=None,
            attempts=ended(Reason.WORKER, KILLED), **ENDS,
        ),
        "completed": LATE,
    },
    "declined, others": {
        "recalled": NO, "assigned": becomes("queued", OK, avoid=(W,), **BACK),
        "running": NO, "unknown": NO, "completed": NO,
    },
    "declined, no others": {
        "assigned": becomes(
            "failed", OK, reason=Reason.REJECTED, avoid=(W,),
            message="every matching worker's owner refuses: no shells here", **ENDS,
        ),
    },
    "handed back": {
        "recalled": NO, "lost": NO,
        "assigned": becomes("queued", OK, **BACK),
        "running": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, message=f"{GONE}: it was stopped while the job ran",
            attempts=ended(Reason.WORKER), **ENDS,
        ),
        "running, requeue": becomes(
            "scheduled", OK, closes=1, due_at=NOW, queued_at=None, attempts=ended(Reason.WORKER), **AGAIN
        ),
        "running, requeue, was lost": becomes(
            "scheduled", OK, closes=1, due_at=NOW, queued_at=None, lost_used=2,
            attempts=ended(Reason.WORKER, lost_cost=1, refunded=1), **AGAIN,
        ),
        "running, requeue, cancel asked": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, message=f"{GONE}: it was stopped while the job ran",
            attempts=ended(Reason.WORKER), **ENDS,
        ),
        "unknown": NO, "failed": NO,
    },
    "dead": {
        "recalled": NO, "lost": NO,
        "assigned": becomes("queued", OK, **BACK),
        "running": FAILS_BY_WORKER, "running, retries used": SPENT_BY_WORKER,
        "running, retries, cancel asked": FAILS_BY_WORKER,
        "running, retries": becomes(
            "scheduled", OK, closes=1, due_at=DUE, retries_used=1, queued_at=None, attempts=ended(Reason.WORKER),
            **AGAIN,
        ),
        "unknown": becomes(
            "failed", OK, closes=1, reason=Reason.WORKER, message=DIED, attempts=ended(Reason.WORKER), unknown_at=None,
            **ENDS,
        ),
        "completed": Stays(OK), "failed": Stays(OK), "cancelled, confirmed": Stays(OK),
        "cancelled, not confirmed": becomes("cancelled", OK, confirmed=True),
    },
    "cancel": {
        "scheduled": becomes(
            "cancelled", message="cancelled by bob", confirmed=True, finished_at=NOW, due_at=None, **BY_BOB
        ),
        "queued": becomes("cancelled", message="cancelled by bob", confirmed=True, finished_at=NOW, **BY_BOB),
        "lost": becomes(
            "cancelled", message="cancelled by bob", confirmed=False, finished_at=NOW, due_at=None, **BY_BOB
        ),
        "assigned": becomes("cancelled", STOP, message="cancelled by bob", confirmed=True, **BY_BOB, **ENDS),
        "running": becomes("running", CANCEL, **BY_BOB),
        "running, cancel asked": Stays(CANCEL),
        "unknown": becomes(
            "cancelled", STOP, closes=1, message="cancelled by bob", confirmed=False, unknown_at=None,
            attempts=ended(Reason.LOST), **BY_BOB, **ENDS,
        ),
        "completed": Stays(Tell.TOO_LATE), "cancelled, not confirmed": Stays(Tell.TOO_LATE),
    },
    "lease over": {
        "recalled": NO,
        "assigned": becomes("queued", STOP, **BACK),
        "running": becomes("unknown", unknown_at=NOW),
        "running, cancel asked": becomes(
            "cancelled", STOP, closes=1, message="cancelled by ann", confirmed=False, attempts=ended(Reason.LOST),
            **ENDS,
        ),
        "running, requeue": becomes(
            "scheduled", STOP, closes=1, due_at=DUE, lost_used=1, queued_at=None,
            attempts=ended(Reason.LOST, lost_cost=1), **AGAIN,
        ),
        "running, requeue, no lost left": becomes(
            "failed", STOP, closes=1, reason=Reason.LOST, message=UNHEARD, attempts=ended(Reason.LOST), **ENDS
        ),
        "running, requeue, cancel asked": becomes(
            "cancelled", STOP, closes=1, message="cancelled by ann", confirmed=False, attempts=ended(Reason.LOST),
            **ENDS,
        ),
        "unknown": NO, "completed": NO,
    },
    "lease of another over": {"assigned": Stays(), "running": Stays(), "running, requeue": Stays()},
    "lost timeout": {
        "queued": NO, "assigned": NO, "running": NO,
        "unknown": becomes(
            "failed", STOP, closes=1, reason=Reason.LOST, message=UNHEARD, unknown_at=None,
            attempts=ended(Reason.LOST), **ENDS,
        ),
        "completed": NO,
    },
    "requeue": {"queued": NO, "assigned": NO, "running": NO, "unknown": NO, "completed": NO},
    "requeue, duplicate accepted": {
        "queued": NO, "assigned": NO, "running": NO,
        "unknown": becomes(
            "queued", STOP, closes=1, queued_at=NOW, unknown_at=None, attempts=ended(Reason.LOST), **AGAIN
        ),
        "failed, lost": NO,
    },
}  # fmt: skip
