"""A worker asks whether it may make the process of an attempt that it has journaled."""

from cmdexec.model.events import Ended, Start
from cmdexec.model.job import Reason, Result
from cmdexec.protocol.messages import Held, Told
from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.holder import Holder, told


def start(holder: Holder, item: Held) -> Ask:
    """May it?"""
    return Ask(item.job_id, Start(holder.worker_id, holder.session, item.attempt))


def cannot_start(holder: Holder, job_id: str, attempt: int, why: str) -> Ask:
    """Its worker cannot even be told of it, nor could another one be."""
    return Ask(job_id, Ended(holder.worker_id, holder.session, attempt, Result(Reason.START, message=why)))


def started(item: Held, outcome: Outcome) -> Told:
    """`go` or `stop`. One that shall be cancelled is not begun any more: what runs of it ends, the rest never does."""
    return told(item.job_id, item.attempt, outcome, cancel="stop")
