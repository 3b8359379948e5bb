"""What the clock takes away: jobs that waited too long, leases that are over, jobs whose fate was unknown too long."""

from collections.abc import Iterable

from cmdexec.model.events import Expired, LeaseOver, LostTimeout
from cmdexec.server.jobs.ask import Ask


def expired(job_ids: Iterable[str]) -> list[Ask]:
    """Their `ttl_sec` is over."""
    return [Ask(job_id, Expired()) for job_id in job_ids]


def lease_over(job_ids: Iterable[str], session: str) -> list[Ask]:
    """The lease of the session that holds them is over, or its worker was revoked."""
    return [Ask(job_id, LeaseOver(session)) for job_id in job_ids]


def lost(job_ids: Iterable[str]) -> list[Ask]:
    """They were unknown for too long."""
    return [Ask(job_id, LostTimeout()) for job_id in job_ids]
