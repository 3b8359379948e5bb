"""Jobs that go back to the queue: recalled for a worker that is free now, or because a person says so."""

from collections.abc import Iterable

from cmdexec.model.events import Recall, Requeue
from cmdexec.server.jobs.ask import Ask


def recall(job_ids: Iterable[str]) -> list[Ask]:
    """They have not begun, and another worker could start them now."""
    return [Ask(job_id, Recall()) for job_id in job_ids]


def requeue(job_id: str, by: str, *, accept_duplicate: bool) -> Ask:
    """`by` wants an unknown job run again, although the first run may still be going on."""
    return Ask(job_id, Requeue(by, accept_duplicate))
