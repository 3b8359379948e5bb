"""A person wants jobs ended."""

from collections.abc import Sequence

from cmdexec.errors import Unavailable
from cmdexec.model.decision import Change, Tell
from cmdexec.model.events import Cancel
from cmdexec.model.job import Job
from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.shell import Shell, tell_holder


async def cancel(shell: Shell, job_ids: Sequence[str], by: str) -> list[tuple[Job | None, str]]:
    """For each id the job as it stands now and what happened: `cancelled`, `asked` (it runs and is being ended),
    `too_late` (it had ended) or `not_found`."""
    outcomes = await shell.turn([Ask(job_id, Cancel(by)) for job_id in job_ids])
    for outcome in outcomes:
        if outcome.overloaded:
            raise Unavailable("overloaded", "A job is changed by others again and again; try again.")
        if outcome.before is not None and not isinstance(outcome.decision, Change) and outcome.tell is Tell.CANCEL:
            tell_holder(shell.notify, outcome.before, Tell.CANCEL)
    return [(outcome.job, _what(outcome)) for outcome in outcomes]


def _what(outcome: Outcome) -> str:
    if outcome.job is None:
        return "not_found"
    if not outcome.job.ended:
        return "asked"
    return "cancelled" if isinstance(outcome.decision, Change) else "too_late"
