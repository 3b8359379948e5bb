"""Classes found by a worker's labels: the same as by looking at all of them, at the cost of those that match."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cmdexec.model.matching import CONTAINER, NOTHING, PROCESS, Machine, Needs, klass_of, matches
from cmdexec.model.parts import Capacity, Part
from cmdexec.server.workers import groups
from cmdexec.server.workers.classes import Classes
from cmdexec.store.contract.classes import ClassRow

WAYS = (PROCESS, CONTAINER)


@dataclass
class Rows:
    """Classes as a store has them. `meanwhile`: what happens while the next are read."""

    rows: dict[str, ClassRow] = field(default_factory=dict)
    meanwhile: Any = None

    def put(self, needs: Needs, rank: int) -> str:
        klass = klass_of(needs)
        self.rows[klass] = ClassRow(klass, needs, 1, rank)
        return klass

    async def get(self, klasses: Sequence[str]) -> list[ClassRow | None]:
        found = [self.rows.get(klass) for klass in klasses]
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found

    async def all(self, after: str = "", limit: int = 1000) -> list[ClassRow]:
        return [self.rows[klass] for klass in sorted(self.rows) if klass > after][:limit]


class Taker:
    """What is looked at of a worker. `looks`: how many parts were compared with what is free."""

    may_wait = True

    def __init__(self, machine: Machine, free: Part) -> None:
        self.machine = machine
        self._free = free
        self.looks = 0

    def has_free(self, part: Part) -> bool:
        self.looks += 1
        return part.within(self._free)


def taker(labels: dict[str, str], executors: tuple[str, ...] = (PROCESS,), **has: Any) -> Any:
    return Taker(Machine(labels, Capacity(8, 4000, **has), executors), Part(8, 2000))


def some_needs(chance: random.Random) -> Iterator[Needs]:
    while True:
        keys = sorted(chance.sample("abcde", chance.randint(0, 3)))
        requires = tuple((key, chance.choice("12*")) for key in keys)
        yield Needs(requires, 0.0, chance.choice([0, 1000, 3000, 5000]), chance.choice(WAYS))


async def test_the_classes_are_those_that_match_the_best_first_however_they_came_and_went() -> None:
    chance = random.Random(7)
    store, needs = Rows(), some_needs(chance)
    classes = Classes(store)
    await classes.look()
    for _ in range(60):
        named = [store.put(next(needs), chance.randint(0, 50)) for _ in range(8)]
        for klass in chance.sample(sorted(store.rows), len(store.rows) // 4):
            del store.rows[klass]
            named.append(klass)
        classes.news([*named, ""])
        await classes.look()
        labels = {key: chance.choice("12") for key in "abcde" if chance.random() < 0.6}
        worker = taker(labels, tuple(chance.sample(WAYS, chance.randint(1, 2))), holds=True)
        found, ahead = classes.choices(worker, 1000)
        waits = found[0].klass if ahead else None
        best = sorted(
            (row.rank, row.klass)
            for row in store.rows.values()
            if matches(row.needs, worker.machine) and (row.needs.ram_mb <= 2000 or row.klass == waits)
        )
        assert [(one.rank, one.klass) for one in found if one.klass or "" in store.rows] == best


async def test_a_thousand_labels_that_a_worker_has_not_cost_nothing_when_it_is_given_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, looked = Rows(), []
    classes = Classes(store)

    def counted(needs: Needs, machine: Machine) -> bool:
        looked.append(needs)
        return matches(needs, machine)

    monkeypatch.setattr(groups, "matches", counted)
    workers = [taker({"os": "linux", "hostname": f"h{n}"}) for n in range(20)]
    classes.news([store.put(Needs((("os", "linux"), (f"key-{n}", "*"))), n) for n in range(1000)])
    mine = store.put(Needs((("hostname", "h7"), ("os", "*"))), 5)
    classes.news([mine])
    await classes.look()
    found = [[one.klass for one in classes.choices(worker, 64)[0]] for worker in workers]
    assert found == [["", mine] if n == 7 else [""] for n in range(20)]
    assert len(looked) <= len(workers) + 1


async def test_of_thousands_of_classes_that_fit_those_that_are_claimed_from_are_looked_at() -> None:
    store = Rows()
    classes = Classes(store)
    for n in range(2000):
        store.put(Needs((), 0.0, n + 1), n)
    await classes.look()
    worker = taker({}, holds=True)
    found, _ = classes.choices(worker, 64)
    assert [one.rank for one in found[1:]] == list(range(63))
    assert worker.looks <= 64


@pytest.mark.parametrize("fresh", [[NOTHING], [NOTHING, Needs((("gpu", "t4"),))]])
async def test_news_that_come_while_it_is_counted_what_is_left_are_not_lost(fresh: list[Needs]) -> None:
    """Of a class that was empty when it was read, and of one that nothing was known of."""
    store = Rows()
    classes = Classes(store)
    first = store.put(Needs((("gpu", "a100"),)), 1)
    await classes.look()
    store.rows.clear()
    classes.claimed([first, ""])
    store.meanwhile = lambda: classes.news([store.put(needs, 2) for needs in fresh])
    await classes.look()
    await classes.look()
    choices, _ = classes.choices(taker({"gpu": "t4"}), 8)
    assert {one.needs for one in choices if one.jobs != 0} == set(fresh)


async def test_a_claim_that_was_begun_before_the_last_news_of_a_class_says_nothing_of_what_came_since() -> None:
    store = Rows()
    classes, worker = Classes(store), taker({})
    store.put(NOTHING, 1)
    await classes.look()
    begun = classes.announced
    classes.news([""])
    await classes.look()
    classes.drained([""], worker, begun, all_of_it=True)
    assert [one.klass for one in classes.choices(worker, 8)[0]] == [""]
    classes.drained([""], worker, classes.announced, all_of_it=True)
    assert classes.choices(worker, 8)[0] == []
