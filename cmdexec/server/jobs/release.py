"""A worker has an attempt no more: never made, declined, handed back, or dead."""

from collections.abc import Callable

from cmdexec.model.events import Dead, Declined, FromWorker, HandedBack, NeverSpawned
from cmdexec.protocol.messages import Released, Told
from cmdexec.server.jobs.ask import Ask, Outcome
from cmdexec.server.jobs.holder import Holder, told

_NO_WORD = "the worker's policy does not allow it"


def release(holder: Holder, item: Released, *, others_match: bool) -> Ask:
    """`others_match`: another worker might take a job that this one declines."""
    return Ask(item.job_id, _EVENTS[item.why](holder, item, others_match))


def released(item: Released, outcome: Outcome) -> Told:
    """`ok`: forget it. So does a refusal: it is not this worker's any more."""
    return told(item.job_id, item.attempt, outcome)


def dead(holder: Holder, job_id: str, attempt: int, message: str) -> Ask:
    """The session has lost its spool, and all that it held with it."""
    return Ask(job_id, Dead(holder.worker_id, holder.session, attempt, message))


def _never_spawned(holder: Holder, item: Released, _others: bool) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt)


def _started_ahead(holder: Holder, item: Released, _others: bool) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt, ahead=True)


def _declined(holder: Holder, item: Released, others: bool) -> FromWorker:
    return Declined(holder.worker_id, holder.session, item.attempt, item.message or _NO_WORD, others)


def _handed_back(holder: Holder, item: Released, _others: bool) -> FromWorker:
    return HandedBack(holder.worker_id, holder.session, item.attempt)


def _dead(holder: Holder, item: Released, _others: bool) -> FromWorker:
    return Dead(holder.worker_id, holder.session, item.attempt, item.message)


_EVENTS: dict[str, Callable[[Holder, Released, bool], FromWorker]] = {
    "neverSpawned": _never_spawned,
    "startedAhead": _started_ahead,
    "declined": _declined,
    "handedBack": _handed_back,
    "dead": _dead,
}
