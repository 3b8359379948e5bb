"""What waits, as dispatch knows it: the classes that may have queued jobs, and which of them a worker matches.

The store has the truth, class by class. It is asked for what hints name and for what was just claimed from, and now and
then for a page of all, so a lost hint costs latency only. As long as nothing waits but jobs that need nothing, it need
not be asked at all.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping

from cmdexec.model.matching import NOTHING, Machine, Needs, matches
from cmdexec.model.parts import Capacity
from cmdexec.server.workers.member import Member
from cmdexec.store.contract import classes as contract

_PAGE = 1000
_KINDS_MAX = 20_000
"""Kinds of workers for which it is remembered what they match."""

_FIRST = -(1 << 62)
"""The rank of a class whose first job is not known: before all others, until it was looked at."""

Kind = tuple[tuple[str | None, ...], Capacity]
"""All of a worker that matters: its values of the labels that any class names, and its capacity."""


class Waiting:
    """A class that may have queued jobs.

    jobs, rank  how many there are, None: not known; and where the first of them stands
    dry         those who were given all that they may have of it since the last news of it
    """

    __slots__ = ("dry", "jobs", "klass", "needs", "part", "rank")

    def __init__(self, klass: str, needs: Needs) -> None:
        self.klass = klass
        self.needs = needs
        self.part = needs.part
        self.jobs: int | None = None
        self.rank = _FIRST
        self.dry: set[Member] = set()


class Classes:
    """`announced`: how often news of waiting jobs came, counted from 1."""

    def __init__(self, reads: contract.Classes) -> None:
        self._reads = reads
        self.announced = 1
        self._known: dict[str, Waiting] = {"": Waiting("", NOTHING)}
        self._named: set[str] = set()
        self._page = ""
        self._unread: int | None = None
        self._keys: tuple[str, ...] = ()
        self._mentioned: Counter[str] = Counter()
        self._matching: dict[Kind, dict[str, Waiting]] = {}

    def news(self, klasses: Iterable[str]) -> None:
        """Jobs of these were queued."""
        self.announced += 1
        for klass in klasses:
            self._named.add(klass)
            waiting = self._known.get(klass)
            if waiting is not None:
                waiting.dry.clear()
                waiting.jobs = None

    def check(self) -> None:
        """Nothing was said for a while: look at everything again, a page each time."""
        self.announced += 1
        for waiting in self._known.values():
            waiting.dry.clear()
            waiting.jobs = None
        self._unread = 1 if self._unread == 0 else self._unread

    def claimed(self, klasses: Iterable[str]) -> None:
        """Jobs of these were claimed: how many are left has to be looked at, if it matters."""
        for klass in klasses:
            waiting = self._known.get(klass)
            if waiting is not None:
                waiting.jobs = None
                self._named.add(klass)

    async def look(self) -> None:
        """Learn what has to be known. Raises Unavailable."""
        while self._unread != 0:  # None: all that there are
            await self._look_at_page(self._page)
            self._unread = None if self._unread is None and self._page else 0
        if self._named and (len(self._known) > 1 or self._named != {""}):
            named, self._named = self._named, set()
            try:
                await self.count(named)
            except BaseException:
                self._named |= named
                raise
        self._named.clear()

    async def count(self, klasses: Iterable[str]) -> None:
        """See how many jobs these have, and where the first stands. Raises Unavailable."""
        asked = tuple(klasses)
        for start in range(0, len(asked), _PAGE):
            part = asked[start : start + _PAGE]
            for klass, row in zip(part, await self._reads.get(part), strict=True):
                self._stands(klass, row)

    def of(self, member: Member) -> Mapping[str, Waiting]:
        """The classes that the worker matches."""
        machine = member.machine
        kind = (tuple(machine.labels.get(key) for key in self._keys), machine.capacity)
        found = self._matching.get(kind)
        if found is None:
            if len(self._matching) >= _KINDS_MAX:
                self._matching.clear()
            found = self._matching[kind] = {
                klass: waiting for klass, waiting in self._known.items() if matches(waiting.needs, machine)
            }
        return found

    def choices(self, member: Member, most: int) -> tuple[list[Waiting], bool]:
        """Up to `most` classes to claim from: those whose jobs could start there now, the best first; and whether the
        first of them is one whose part is not free yet, and for which the worker may wait."""
        left = [one for one in self.of(member).values() if one.jobs != 0 and member not in one.dry]
        fitting = [one for one in left if one.part is None or member.has_free(one.part)]
        chosen = fitting if len(fitting) <= most else heapq.nsmallest(most, fitting, key=_rank)
        if len(fitting) < len(left) and member.may_wait:
            first = min(left, key=_rank)
            if first.part is not None and not member.has_free(first.part):
                return [first, *chosen], True
        return chosen, False

    def named(self, klasses: Iterable[str]) -> list[Waiting]:
        """Those of them that are known."""
        return [waiting for klass in klasses if (waiting := self._known.get(klass)) is not None]

    def standing(self, klass: str) -> Waiting | None:
        """The class, if it may have queued jobs."""
        return self._known.get(klass)

    async def _look_at_page(self, after: str) -> None:
        rows = await self._reads.all(after, _PAGE)
        there = {row.klass for row in rows}
        last = rows[-1].klass if len(rows) == _PAGE else None
        for klass in [one for one in self._known if one > after and (last is None or one <= last)]:
            if klass not in there and klass not in self._named:
                self._forget(klass)
        for row in rows:
            self._stands(row.klass, row)
        self._page = last or ""

    def _stands(self, klass: str, row: contract.ClassRow | None) -> None:
        waiting = self._known.get(klass)
        if row is None and klass:
            self._forget(klass)
        elif row is None and waiting is not None:
            waiting.jobs = 0
        elif row is not None:
            if waiting is None:
                waiting = self._learn(klass, row.needs)
            waiting.jobs, waiting.rank = row.jobs, row.rank

    def _learn(self, klass: str, needs: Needs) -> Waiting:
        waiting = self._known[klass] = Waiting(klass, needs)
        fresh = [key for key, _ in needs.requires if not self._mentioned[key]]
        self._mentioned.update(key for key, _ in needs.requires)
        if fresh:
            self._renew_keys()
        for (values, capacity), matching in self._matching.items():
            labels = {key: value for key, value in zip(self._keys, values, strict=True) if value is not None}
            if matches(needs, Machine(labels, capacity)):
                matching[klass] = waiting
        return waiting

    def _forget(self, klass: str) -> None:
        waiting = self._known.pop(klass, None)
        if waiting is None:
            return
        for matching in self._matching.values():
            matching.pop(klass, None)
        self._mentioned.subtract(key for key, _ in waiting.needs.requires)
        if any(not self._mentioned[key] for key, _ in waiting.needs.requires):
            self._renew_keys()

    def _renew_keys(self) -> None:
        self._mentioned = +self._mentioned
        self._keys = tuple(sorted(self._mentioned))
        self._matching.clear()


def _rank(waiting: Waiting) -> int:
    return waiting.rank
