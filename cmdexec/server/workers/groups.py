"""Classes of jobs by how they are run and the labels that they require, so that a worker's labels lead to those that
it has all of."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from cmdexec.model.matching import ANY, Machine, Needs, matches
from cmdexec.server.workers.member import Member

Pair = tuple[str, str]
"""A label that is required, and its value."""

Key = tuple[tuple[Pair, ...], str]
"""The labels that are required, and the executor."""


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
    """The classes that require the same labels and executor, the best first. `found_by`: the label that leads to it,
    None: none."""

    __slots__ = ("found_by", "key", "needs", "order")

    def __init__(self, key: Key, found_by: Pair | None) -> None:
        self.key = key
        self.needs = Needs(key[0], executor=key[1])
        self.found_by = found_by
        self.order: list[tuple[int, str, Waiting]] = []


class Groups:
    """Each class is found by one of the labels that it requires: the one that the fewest others are found by."""

    def __init__(self) -> None:
        self._groups: dict[Key, _Group] = {}
        self._found_by: dict[Pair | None, dict[Key, _Group]] = {}

    def add(self, waiting: Waiting) -> None:
        """A class that is not there yet."""
        key = _key(waiting)
        group = self._groups.get(key)
        if group is None:
            pair = min(waiting.needs.requires, key=lambda one: len(self._found_by.get(one, ())), default=None)
            group = self._groups[key] = _Group(key, pair)
            self._found_by.setdefault(pair, {})[key] = group
        insort(group.order, (waiting.rank, waiting.klass, waiting))

    def remove(self, waiting: Waiting) -> None:
        """One that is there."""
        group = self._groups[_key(waiting)]
        del group.order[bisect_left(group.order, (waiting.rank, waiting.klass))]
        if not group.order:
            del self._groups[group.key]
            others = self._found_by[group.found_by]
            del others[group.key]
            if not others:
                del self._found_by[group.found_by]

    def move(self, waiting: Waiting, rank: int) -> None:
        """Its first job stands there now."""
        if rank == waiting.rank:
            return
        order = self._groups[_key(waiting)].order
        del order[bisect_left(order, (waiting.rank, waiting.klass))]
        waiting.rank = rank
        insort(order, (rank, waiting.klass, waiting))

    def of(self, machine: Machine) -> Iterator[Waiting]:
        """The classes whose labels it has and whose executor, the best first. Not to be used any more once something
        changed."""
        orders = [group.order for group in self._led_to(machine)]
        merged: Iterable[tuple[int, str, Waiting]] = orders[0] if len(orders) == 1 else heapq.merge(*orders)
        return (waiting for _, _, waiting in merged)

    def _led_to(self, machine: Machine) -> list[_Group]:
        found_by, labels = self._found_by, machine.labels
        led = [group for group in found_by.get(None, _NONE).values() if group.needs.executor in machine.executors]
        if len(found_by) == (None in found_by):
            return led
        pairs = chain(labels.items(), ((key, ANY) for key, value in labels.items() if value != ANY))
        for pair in pairs:
            led.extend(group for group in found_by.get(pair, _NONE).values() if matches(group.needs, machine))
        return led


def _key(waiting: Waiting) -> Key:
    return waiting.needs.requires, waiting.needs.executor


_NONE: Mapping[Key, _Group] = {}
