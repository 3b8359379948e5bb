"""How many classes of jobs one owner may have waiting: what dispatch has to look through grows with them.

This server counts those that were submitted to it, and asks the store which of them are empty by now only when there
might be too many. So that costs nothing as long as there are few, and an owner whose jobs come by several servers, or
over a restart, may have as many on each.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cmdexec.clock import Clock, Millis
from cmdexec.errors import Unavailable
from cmdexec.model.job import Job
from cmdexec.store.contract.classes import Classes

_OWNERS_MAX = 10_000
_PAGE = 250
"""Classes that are asked about at once: more would keep all others waiting."""

_FRESH_MS = 10_000
"""So long after a job was submitted, or is due, its class is not taken for empty: it may be on its way to the store."""

_LOOK_SEC = 2.0
"""How long what the store said last is good enough for whoever has too many."""

_RETRY_AFTER_SEC = 5.0


@dataclass(slots=True)
class _Held:
    """The classes of one owner, each with the moment before which it counts in any case."""

    until: dict[str, Millis] = field(default_factory=dict)
    looked_at: float = float("-inf")


class Kinds:
    """`most`: classes that one owner may have waiting. Jobs that need nothing are of none."""

    def __init__(self, classes: Classes, clock: Clock, most: int) -> None:
        self._classes = classes
        self._clock = clock
        self._most = most
        self._owners: OrderedDict[str, _Held] = OrderedDict()

    async def admit(self, owner: str, jobs: Iterable[Job]) -> None:
        """Note the classes of these new jobs. Raises Unavailable("queue_full") if they would be too many."""
        wanted: dict[str, Millis] = {}
        for job in jobs:
            if job.klass:
                wanted[job.klass] = max(wanted.get(job.klass, 0), job.due_at or 0)
        if not wanted:
            return
        held = self._owners.setdefault(owner, _Held())
        self._owners.move_to_end(owner)
        while len(self._owners) > _OWNERS_MAX:
            self._owners.popitem(last=False)
        if self._too_many(held, wanted):
            await self._forget_empty(held)
        if more := self._too_many(held, wanted):
            raise Unavailable(
                "queue_full",
                f"By what they need, your waiting jobs are of {len(held.until):,} kinds, and these of {more:,} more;"
                f" {self._most:,} may be.",
                retry_after=_RETRY_AFTER_SEC, field="requires",
                mend="Let jobs share labels and parts of a machine, or wait until some have begun.",
            )  # fmt: skip
        now = self._clock.now()
        for klass, due_at in wanted.items():
            held.until[klass] = max(held.until.get(klass, 0), max(due_at, now) + _FRESH_MS)

    def _too_many(self, held: _Held, wanted: Iterable[str]) -> int:
        """How many of these are new, if that is more than there is room for."""
        new = sum(klass not in held.until for klass in wanted)
        return new if len(held.until) + new > self._most else 0

    async def _forget_empty(self, held: _Held) -> None:
        began, now = self._clock.elapsed(), self._clock.now()
        if began - held.looked_at < _LOOK_SEC:
            return
        held.looked_at = began
        doubtful = [klass for klass, until in held.until.items() if until <= now]
        for start in range(0, len(doubtful), _PAGE):
            part = doubtful[start : start + _PAGE]
            for klass, row in zip(part, await self._classes.get(part), strict=True):
                if row is None and held.until.get(klass, now) <= now:
                    held.until.pop(klass, None)
