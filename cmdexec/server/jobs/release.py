"""A worker has an attempt no more: never made, declined, handed back, or dead."""

from collections.abc import Callable, Collection

from cmdexec.model.events import Dead, Declined, FromWorker, HandedBack, NeverSpawned
from cmdexec.model.job import Job
from cmdexec.protocol.messages import Released, Told
from cmdexec.server.jobs.ask import Ask, Judged, Outcome
from cmdexec.server.jobs.holder import Holder, told

_NO_WORD = "the worker's policy does not allow it"


class _Declining:
    """It depends on the job whether another worker might take it: none that declined it before."""

    __slots__ = ("_holder", "_item", "_workers")

    def __init__(self, holder: Holder, item: Released, workers: Collection[str]) -> None:
        self._holder = holder
        self._item = item
        self._workers = workers

    def against(self, job: Job) -> Judged:
        holder, item = self._holder, self._item
        others = any(name != holder.worker_id and name not in job.avoid for name in self._workers)
        return Judged(
            (Declined(holder.worker_id, holder.session, item.attempt, item.message or _NO_WORD, others_match=others),)
        )


def release(holder: Holder, item: Released, *, workers: Collection[str]) -> Ask:
    """`workers`: the ids of all that are connected; another one might take a job that this one declines."""
    if item.why == "declined":
        return Ask(item.job_id, judge=_Declining(holder, item, workers))
    return Ask(item.job_id, _EVENTS[item.why](holder, item))


def released(item: Released, outcome: Outcome) -> Told:
    """`ok`: forget it. So does a refusal: it is not this worker's any more."""
    return told(item.job_id, item.attempt, outcome)


def dead(holder: Holder, job_id: str, attempt: int, message: str) -> Ask:
    """The session has lost its spool, and all that it held with it."""
    return Ask(job_id, Dead(holder.worker_id, holder.session, attempt, message))


def _never_spawned(holder: Holder, item: Released) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt)


def _started_ahead(holder: Holder, item: Released) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt, ahead=True)


def _handed_back(holder: Holder, item: Released) -> FromWorker:
    return HandedBack(holder.worker_id, holder.session, item.attempt)


def _dead(holder: Holder, item: Released) -> FromWorker:
    return Dead(holder.worker_id, holder.session, item.attempt, item.message)


_EVENTS: dict[str, Callable[[Holder, Released], FromWorker]] = {
    "neverSpawned": _never_spawned,
    "startedAhead": _started_ahead,
    "handedBack": _handed_back,
    "dead": _dead,
}
