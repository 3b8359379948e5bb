"""Classes of jobs by the labels that they require, so that a worker's labels lead to those that it has all of."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from cmdexec.model.matching import ANY, Machine, Needs, matches
from cmdexec.model.parts import Capacity
from cmdexec.server.workers.member import Member

_UNBOUND = Capacity()

Pair = tuple[str, str]
"""A label that is required, and its value."""


class Waiting:
    """A class that may have queued jobs.

    jobs, rank  how many there are, None: not known; and where the first of them stands
    told        which announcement was the last news of it
    dry         those who were given all that they may have of it since then
    """

    __slots__ = ("dry", "jobs", "klass", "needs", "part", "rank", "told")

    def __init__(self, klass: str, needs: Needs, rank: int) -> None:
        self.klass = klass
        self.needs = needs
        self.part = needs.part
        self.jobs: int | None = None
        self.rank = rank
        self.told = 0
        self.dry: set[Member] = set()


class _Group:
    """The classes that require the same labels, the best first. `found_by`: the label that leads to it, None: none."""

    __slots__ = ("found_by", "labels", "order")

    def __init__(self, labels: Needs, found_by: Pair | None) -> None:
        self.labels = labels
        self.found_by = found_by
        self.order: list[tuple[int, str, Waiting]] = []


class Groups:
    """Each class is found by one of the labels that it requires: the one that the fewest others are found by."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Pair, ...], _Group] = {}
        self._found_by: dict[Pair | None, dict[tuple[Pair, ...], _Group]] = {}

    def add(self, waiting: Waiting) -> None:
        """A class that is not there yet."""
        requires = waiting.needs.requires
        group = self._groups.get(requires)
        if group is None:
            pair = min(requires, key=lambda one: len(self._found_by.get(one, ())), default=None)
            group = self._groups[requires] = _Group(Needs(requires), pair)
            self._found_by.setdefault(pair, {})[requires] = group
        insort(group.order, (waiting.rank, waiting.klass, waiting))

    def remove(self, waiting: Waiting) -> None:
        """One that is there."""
        group = self._groups[waiting.needs.requires]
        del group.order[bisect_left(group.order, (waiting.rank, waiting.klass))]
        if not group.order:
            del self._groups[group.labels.requires]
            others = self._found_by[group.found_by]
            del others[group.labels.requires]
            if not others:
                del self._found_by[group.found_by]

    def move(self, waiting: Waiting, rank: int) -> None:
        """Its first job stands there now."""
        if rank == waiting.rank:
            return
        order = self._groups[waiting.needs.requires].order
        del order[bisect_left(order, (waiting.rank, waiting.klass))]
        waiting.rank = rank
        insort(order, (rank, waiting.klass, waiting))

    def of(self, labels: Mapping[str, str]) -> Iterator[Waiting]:
        """The classes whose labels these are, the best first. Not to be used any more once something changed."""
        orders = [group.order for group in self._led_to(labels)]
        merged: Iterable[tuple[int, str, Waiting]] = orders[0] if len(orders) == 1 else heapq.merge(*orders)
        return (waiting for _, _, waiting in merged)

    def _led_to(self, labels: Mapping[str, str]) -> list[_Group]:
        found_by = self._found_by
        led = list(found_by[None].values()) if None in found_by else []
        if len(found_by) == len(led):
            return led
        machine = Machine(labels, _UNBOUND)
        pairs = chain(labels.items(), ((key, ANY) for key, value in labels.items() if value != ANY))
        for pair in pairs:
            for group in found_by.get(pair, _NONE).values():
                if matches(group.labels, machine):
                    led.append(group)
        return led


_NONE: Mapping[tuple[Pair, ...], _Group] = {}
