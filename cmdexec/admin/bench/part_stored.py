"""Fills the store of a server that does not run yet with jobs that have ended."""

from pathlib import Path
from typing import Any

import msgspec

from cmdexec.admin.bench.parts import Say
from cmdexec.model.birth import queued
from cmdexec.model.job import Attempt, Job, Line, Reason, Result, Spec, Status, StreamEnd
from cmdexec.runtime import Runtime
from cmdexec.store.sqlite.engine import open_sqlite

_LIST = 1000
_APART_MS = 5
_FAILS = 20
"""One in so many failed."""


async def run(runtime: Runtime, told: Any, say: Say) -> None:
    """`told`: {folder, count}. Says {jobIds}, some of those stored, once all are there."""
    store = open_sqlite(Path(told["folder"]), runtime, queue_items=1000, disk_reserve_bytes=0)
    count: int = told["count"]
    first = runtime.clock.now() - count * _APART_MS
    kept: list[str] = []
    try:
        for begin in range(0, count, _LIST):
            jobs = [_job(runtime, first, number) for number in range(begin, min(count, begin + _LIST))]
            await store.jobs_write.insert(jobs)
            kept.append(jobs[0].job_id)
    finally:
        await store.close()
    say({"jobIds": kept})


def _job(runtime: Runtime, first: int, number: int) -> Job:
    """As a job looks that ran once."""
    at = first + number * _APART_MS
    job_id = runtime.ids.new()
    born = queued(
        Spec(command=("make", "test"), name=f"nightly-{number % 1000}", tags=(f"team-{number % 7}",)),
        job_id=job_id, owner="bench", submit_key=f"bench-{number}", body_hash="", now=at, age_ms=0,
    )  # fmt: skip
    reason = None if number % _FAILS else Reason.EXIT
    status = Status.COMPLETED if reason is None else Status.FAILED
    end = StreamEnd(bytes=37, digest="0" * 64, whole=True)
    result = Result(reason=reason, exit_code=0 if reason is None else 1, stdout=end, stderr=end, cpu_sec=0.001)
    attempt = Attempt(1, "bench-worker", "bench-session", at + 1, at + 2, end=reason, ok=reason is None, result=result)
    lines = (Line(at + 1, "claim", Status.ASSIGNED, 1), Line(at + 1, "start", Status.RUNNING, 1))
    return msgspec.structs.replace(
        born, status=status, rev=3, attempt=1, worker_id="bench-worker", session="bench-session", assigned_at=at + 1,
        started_at=at + 1, finished_at=at + 2, reason=reason, exit_code=result.exit_code, attempts=(attempt,),
        history=(*born.history, *lines, Line(at + 2, "result", status, 1)),
    )  # fmt: skip
