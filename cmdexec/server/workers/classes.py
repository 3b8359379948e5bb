"""What waits, as dispatch knows it: the classes that may have queued jobs, and which of them a worker matches.

The store has the truth, class by class. It is asked for what hints name and for what was just claimed from, and now and
then for a page of all, so a lost hint costs latency only. As long as nothing waits but jobs that need nothing, it need
not be asked at all.
"""

from collections.abc import Iterable, Sequence

from cmdexec.model.matching import NOTHING, Needs
from cmdexec.model.parts import Capacity, Part
from cmdexec.server.workers.groups import Groups, Waiting
from cmdexec.server.workers.member import Member
from cmdexec.store.contract import classes as contract

_PAGE = 250
"""Classes that are read at once: more would keep all others waiting."""

_FIRST = -(1 << 62)
"""The rank of a class whose first job is not known: before all others, until it was looked at."""


class Classes:
    """`announced`: how often news of waiting jobs came, counted from 1. `reads`: how often the store was asked."""

    def __init__(self, reads: contract.Classes) -> None:
        self._reads = reads
        self.announced = 1
        self._known: dict[str, Waiting] = {}
        self._groups = Groups()
        self._named: set[str] = set()
        self._page = ""
        self._unread: int | None = None
        self.reads = 0
        self._learn("", NOTHING, _FIRST)

    def news(self, klasses: Iterable[str]) -> None:
        """Jobs of these were queued."""
        self.announced += 1
        for klass in klasses:
            self._named.add(klass)
            waiting = self._known.get(klass)
            if waiting is not None:
                waiting.dry.clear()
                waiting.jobs, waiting.told = None, self.announced

    def need_no_reading(self, klasses: Iterable[str]) -> bool:
        """Whether jobs of these can be claimed without a look at the store before."""
        return self._unread == 0 and len(self._known) == 1 and all(klass in self._known for klass in klasses)

    def check(self) -> None:
        """Nothing was said for a while: look at everything again, a page each time."""
        self.announced += 1
        for waiting in self._known.values():
            waiting.dry.clear()
            waiting.jobs, waiting.told = None, self.announced
        self._unread = 1 if self._unread == 0 else self._unread

    def claimed(self, klasses: Iterable[str]) -> None:
        """Jobs of these were claimed: how many are left has to be looked at, if it matters."""
        for klass in klasses:
            waiting = self._known.get(klass)
            if waiting is not None:
                waiting.jobs = None
                self._named.add(klass)

    def drained(self, klasses: Iterable[str], member: Member, announced: int, *, all_of_it: bool) -> None:
        """The worker claimed all that it may have of these, or what fitted of them; the claim was begun when so many
        announcements had been made, so it may have missed what came since."""
        for waiting in self.named(klasses):
            if waiting.told <= announced and (all_of_it or waiting.part is None or member.has_free(waiting.part)):
                waiting.dry.add(member)

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
        else:
            self._named.clear()

    async def count(self, klasses: Iterable[str]) -> None:
        """See how many jobs these have, and where the first stands. Raises Unavailable."""
        asked = tuple(klasses)
        for start in range(0, len(asked), _PAGE):
            part = asked[start : start + _PAGE]
            self.reads += 1
            for klass, row in zip(part, await self._reads.get(part), strict=True):
                self._stands(klass, row)

    def first(self, member: Member) -> Waiting | None:
        """The best class that has jobs for the worker, whether or not they could start there now."""
        capacity = member.machine.capacity
        for one in self._groups.of(member.machine):
            if one.jobs and member not in one.dry and (one.part is None or _holds(capacity, one.part)):
                return one
        return None

    def choices(self, member: Member, most: int) -> tuple[list[Waiting], bool]:
        """Up to `most` classes to claim from: those whose jobs could start there now, the best first; and whether the
        first of them is one whose part is not free yet, and for which the worker may wait."""
        capacity = member.machine.capacity
        chosen: list[Waiting] = []
        first: Waiting | None = None
        for one in self._groups.of(member.machine):
            part = one.part
            if one.jobs == 0 or member in one.dry:
                continue
            if part is None or (_holds(capacity, part) and member.has_free(part)):
                chosen.append(one)
                if len(chosen) == most:
                    break
            elif first is None and not chosen and _holds(capacity, part):
                first = one
        if first is not None and member.may_wait:
            return [first, *chosen], True
        return chosen, False

    def named(self, klasses: Iterable[str]) -> list[Waiting]:
        """Those of them that are known."""
        return [waiting for klass in klasses if (waiting := self._known.get(klass)) is not None]

    async def _look_at_page(self, after: str) -> None:
        self.reads += 1
        rows = await self._reads.all(after, _PAGE)
        last = rows[-1].klass if len(rows) == _PAGE else None
        if self._unread is not None:
            self._forget_all_but(rows, after, last)
        for row in rows:
            self._stands(row.klass, row)
        self._page = last or ""

    def _forget_all_but(self, rows: Sequence[contract.ClassRow], after: str, last: str | None) -> None:
        """Of the part that the page covers."""
        there = {row.klass for row in rows}
        for klass in [one for one in self._known if one > after and (last is None or one <= last)]:
            if klass not in there and klass not in self._named:
                self._forget(klass)

    def _stands(self, klass: str, row: contract.ClassRow | None) -> None:
        waiting = self._known.get(klass)
        if waiting is None and row is not None:
            waiting = self._learn(klass, row.needs, row.rank)
        if waiting is None:
            return
        if row is not None:
            self._groups.move(waiting, row.rank)
        if klass in self._named:  # there was news while this was read
            waiting.jobs = None
        elif row is not None:
            waiting.jobs = row.jobs
        elif klass:
            self._forget(klass)
        else:
            waiting.jobs = 0

    def _learn(self, klass: str, needs: Needs, rank: int) -> Waiting:
        waiting = self._known[klass] = Waiting(klass, needs, rank)
        self._groups.add(waiting)
        return waiting

    def _forget(self, klass: str) -> None:
        waiting = self._known.pop(klass, None)
        if waiting is not None:
            self._groups.remove(waiting)


def _holds(capacity: Capacity, part: Part) -> bool:
    """Whether a worker of that capacity holds jobs to such a part."""
    return capacity.holds and part.within(capacity)
