"""A worker has an attempt no more: never made, declined, handed back, or dead."""

from collections.abc import Callable
from typing import Protocol

from cmdexec.model.events import Dead, Declined, FromWorker, HandedBack, NeverSpawned
from cmdexec.model.job import Job
from cmdexec.protocol.messages import Released, Told
from cmdexec.server.jobs.ask import Ask, Judged, Outcome
from cmdexec.server.jobs.holder import Holder, told

_NO_WORD = "the worker's policy does not allow it"


class Fleet(Protocol):
    """The workers that there are, as far as a declined job is concerned."""

    def others(self, job: Job, but: str) -> bool:
        """Whether a worker other than the one of this id might run the job: none that declined it before."""
        ...


class _Declining:
    """It depends on the job whether another worker might take it."""

    __slots__ = ("_fleet", "_holder", "_item")

    def __init__(self, holder: Holder, item: Released, fleet: Fleet) -> None:
        self._holder = holder
        self._item = item
        self._fleet = fleet

    def against(self, job: Job) -> Judged:
        holder, item = self._holder, self._item
        others = self._fleet.others(job, holder.worker_id)
        declined = Declined(
            holder.worker_id, holder.session, item.attempt, item.message or _NO_WORD, others_match=others,
            known_as=holder.known_as,
        )  # fmt: skip
        return Judged((declined,))


def release(holder: Holder, item: Released, *, fleet: Fleet) -> Ask:
    """`fleet` says whether another worker might take a job that this one declines."""
    if item.why == "declined":
        return Ask(item.job_id, judge=_Declining(holder, item, fleet))
    return Ask(item.job_id, _EVENTS[item.why](holder, item))


def released(item: Released, outcome: Outcome) -> Told:
    """`ok`: forget it. So does a refusal: it is not this worker's any more."""
    return told(item.job_id, item.attempt, outcome)


def dead(holder: Holder, job_id: str, attempt: int, message: str) -> Ask:
    """The session has lost its spool, and all that it held with it."""
    return Ask(job_id, Dead(holder.worker_id, holder.session, attempt, message))


def _never_spawned(holder: Holder, item: Released) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt, item.message)


def _not_to_blame(holder: Holder, item: Released) -> FromWorker:
    return NeverSpawned(holder.worker_id, holder.session, item.attempt, item.message, blameless=True)


def _handed_back(holder: Holder, item: Released) -> FromWorker:
    return HandedBack(holder.worker_id, holder.session, item.attempt)


def _dead(holder: Holder, item: Released) -> FromWorker:
    return Dead(holder.worker_id, holder.session, item.attempt, item.message, back=holder.back)


_EVENTS: dict[str, Callable[[Holder, Released], FromWorker]] = {
    "neverSpawned": _never_spawned,
    "startedAhead": _not_to_blame,
    "noRoom": _not_to_blame,
    "handedBack": _handed_back,
    "dead": _dead,
}
