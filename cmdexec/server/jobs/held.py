"""A worker names what it holds; and what its complete list lacks."""

from cmdexec.model.decision import Tell
from cmdexec.model.events import Missing, Output, Resume
from cmdexec.protocol.messages import CancelOrder, Held, Told
from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.holder import Holder, told


def resume(holder: Holder, item: Held) -> Ask:
    """It holds this."""
    return Ask(item.job_id, Resume(holder.worker_id, holder.session, item.attempt, back=holder.back))


def resumed(item: Held, outcome: Outcome) -> Told | CancelOrder | None:
    """What it has to be told of it: nothing while all is well."""
    if outcome.tell is Tell.CANCEL:
        return CancelOrder(job_id=item.job_id, attempt=item.attempt)
    answer = told(item.job_id, item.attempt, outcome)
    return answer if answer.tell == "stop" else None


def missing(holder: Holder, job_id: str, attempt: int) -> Ask:
    """It ought to hold this, and does not."""
    return Ask(job_id, Missing(holder.worker_id, holder.session, attempt, back=holder.back))


def output(holder: Holder, job_id: str, attempt: int) -> Ask:
    """It brings output that the store did not take: why is that? Changes nothing."""
    return Ask(job_id, Output(holder.worker_id, holder.session, attempt))


def came_late(ask: Ask, outcome: Outcome) -> bool:
    """Whether it is output that came after the end of its attempt, which is final: it is dropped."""
    return isinstance(ask.event, Output) and outcome.tell is Tell.DROP
