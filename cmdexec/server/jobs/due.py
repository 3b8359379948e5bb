"""Jobs whose time has come."""

from collections.abc import Iterable

from cmdexec.model.events import Due
from cmdexec.server.jobs.ask import Ask


def due(job_ids: Iterable[str]) -> list[Ask]:
    """From scheduled to queued."""
    return [Ask(job_id, Due()) for job_id in job_ids]
