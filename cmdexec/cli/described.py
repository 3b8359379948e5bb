"""A job as a row of columns: how it stands, and how long it ran or waits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cmdexec.cli.colour import BLUE, DIM, GREEN, RED, YELLOW
from cmdexec.cli.columns import Cell
from cmdexec.cli.naming import short
from cmdexec.cli.worded import ago, as_typed, duration, millis
from cmdexec.clock import Millis

if TYPE_CHECKING:
    from cmdexec.protocol.listing import JobRow
    from cmdexec.protocol.requests import AttemptView, JobView

STYLES = {
    "completed": GREEN, "failed": RED, "cancelled": DIM, "running": BLUE, "assigned": BLUE, "unknown": YELLOW,
    "online": GREEN, "draining": YELLOW, "offline": YELLOW, "lost": RED, "suspect": RED, "revoked": DIM,
    "good": GREEN, "used": DIM, "expired": DIM,
}  # fmt: skip
"""A job's, worker's or token's state → the style in which it stands out."""

_ENDED = frozenset({"completed", "failed", "cancelled"})


def how_it_stands(job: "JobRow | JobView") -> str:
    """`failed: exit 3`, `running, to be cancelled`, `completed`."""
    if job.status == "failed":
        return f"failed: {why(job)}"
    if job.status == "cancelled" and job.confirmed is False:
        return "cancelled, not confirmed"
    if job.cancel_requested and job.status not in _ENDED:
        return f"{job.status}, to be cancelled"
    return job.status


def why(end: "JobRow | JobView | AttemptView") -> str:
    """In a word or two: `exit 3`, `signal 9`, `timeout`."""
    if end.reason == "exit" and end.exit_code is not None:
        return f"exit {end.exit_code}"
    if end.reason == "signal" and end.signal is not None:
        return f"signal {end.signal}"
    return end.reason or "no reason given"


def spent(job: "JobRow | JobView", now: Millis) -> tuple[str, float | None]:
    """`ran 3.2s`, `waits 5m`: how long it ran, has been running or waits; and that in seconds."""
    started, finished = millis(job.started_at), millis(job.finished_at)
    since = millis(job.queued_at) or millis(job.created_at)
    if job.status in _ENDED:
        begun, until, word = started or since, finished or started or since, "ran" if started else "waited"
    elif job.status in ("running", "unknown"):
        begun, until, word = started or since, now, "runs"
    else:
        begun, until, word = since, now, "waits"
    if begun is None or until is None:
        return "", None
    seconds = max(0.0, (until - begun) / 1000)
    return f"{word} {duration(seconds)}", seconds


def job_cells(row: "JobRow", now: Millis, ids: Sequence[str], names: Mapping[str, str]) -> list[Cell]:
    """Id, status, name or command, worker, time, submission. `names`: of workers, by id."""
    said, seconds = spent(row, now)
    created = millis(row.created_at)
    worker = row.worker_id or ""
    return [
        Cell(short(row.job_id, ids), row.job_id),
        Cell(how_it_stands(row), row.status, STYLES.get(row.status)),
        Cell(row.name or as_typed(row.command)),
        Cell(names.get(worker, worker), worker),
        Cell(said, "" if seconds is None else f"{seconds:.3f}"),
        Cell("" if created is None else ago(created, now), row.created_at, DIM),
    ]
