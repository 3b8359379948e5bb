"""How a job comes to be, and how it is claimed."""

import msgspec

from cmdexec.model.decision import lined
from cmdexec.model.events import Claim
from cmdexec.model.job import Job, Line, Spec, Status
from cmdexec.model.matching import klass_of, needs_of


def rank_of(created_at: int, priority: int, age_ms: int) -> int:
    """Claims take the lowest rank: a job of priority 1 goes before those that came up to `age_ms` earlier.

    Fixed at birth, so that ageing never rewrites a row.
    """
    return created_at - priority * age_ms


def queued(
    spec: Spec,
    *,
    job_id: str,
    owner: str,
    submit_key: str,
    body_hash: str,
    now: int,
    age_ms: int,
    rerun_of: str | None = None,
    by: str | None = None,
) -> Job:
    """A new job: scheduled when its `run_at` is still to come, else queued. `by`: what people call its owner."""
    waits = spec.run_at is not None and spec.run_at > now
    status = Status.SCHEDULED if waits else Status.QUEUED
    return Job(
        job_id=job_id,
        owner=owner,
        submit_key=submit_key,
        body_hash=body_hash,
        spec=spec,
        status=status,
        created_at=now,
        rank=rank_of(now, spec.priority, age_ms),
        klass=klass_of(needs_of(spec)),
        queued_at=None if waits else now,
        due_at=spec.run_at if waits else None,
        rerun_of=rerun_of,
        history=(Line(now, "submit", status, 0, by or owner),),
    )


def alike(job: Job, spec: Spec, job_id: str) -> Job | None:
    """What `queued` makes of `spec` at the moment when it made the new `job`, and for the same people; None where it
    may stand otherwise. Of a list whose jobs differ in what they run this takes a quarter of the time."""
    known = job.spec
    if spec.requires != known.requires or (spec.cpu, spec.ram_mb) != (known.cpu, known.ram_mb):
        return None
    if (spec.container is None) != (known.container is None):
        return None
    if spec.priority != known.priority or spec.run_at != known.run_at:
        return None
    return msgspec.structs.replace(job, job_id=job_id, spec=spec)


def claimed(job: Job, claim: Claim, now: int) -> Job:
    """The queued job as the claim leaves it: assigned, with a number never used before. What `decide` makes of a claim.

    Raises ValueError for a job that is not queued: the caller took one that it must not give out.
    """
    if job.status is not Status.QUEUED:
        raise ValueError(f"job {job.job_id} is {job.status}, not queued")
    attempt = job.attempt + 1
    return msgspec.structs.replace(
        job,
        rev=job.rev + 1,
        status=Status.ASSIGNED,
        attempt=attempt,
        worker_id=claim.worker_id,
        session=claim.session,
        claim_id=claim.claim_id,
        assigned_at=now,
        missing=0,
        history=lined(job.history, Line(now, claim.name, Status.ASSIGNED, attempt, claim.worker_id)),
    )
