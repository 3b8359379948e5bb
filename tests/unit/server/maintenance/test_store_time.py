"""Servers that share a store go by its time, and say when their machine's clock is another."""

import asyncio
import logging

import pytest

from cmdexec.errors import Unavailable
from cmdexec.runtime import Inline
from cmdexec.server.maintenance import StoreTime
from cmdexec.store.contract.reads import Room
from tests.contract.engines import HandClock, runtime_with

NOON = 1_764_072_000_000


class Answers:
    """What a store says when it is asked, and how long that takes."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.told: int | None = NOON
        self.takes = 0.0
        self.away = False

    async def commit(self) -> int | None:
        self.clock.go_on(self.takes)
        if self.away:
            raise Unavailable("store_away", "It does not answer.")
        return self.told

    async def room(self) -> Room:
        return Room(None)

    def last_write(self) -> float | None:
        return None


def made() -> tuple[StoreTime, Answers, HandClock]:
    clock = HandClock()
    answers = Answers(clock)
    return StoreTime(answers, runtime_with(clock, Inline()), every_sec=10), answers, clock


async def test_it_is_the_stores_time_whatever_is_done_to_the_machines_clock() -> None:
    time, _, clock = made()
    assert time.now() == clock.wall
    await time.look()
    assert time.now() == time.runtime.clock.now() == NOON
    clock.go_on(2.5)
    clock.wall += 3_600_000
    assert time.now() == NOON + 2500


async def test_ids_are_stamped_by_it_too() -> None:
    time, _, _ = made()
    await time.look()
    assert int(time.runtime.ids.new().replace("-", "")[:12], 16) == NOON


async def test_while_the_store_is_away_or_slow_it_goes_on() -> None:
    time, answers, clock = made()
    answers.away = True
    await time.look()
    assert time.now() == clock.wall
    answers.away, answers.takes = False, 30.0
    await time.look()
    assert time.now() == NOON + 15_000, "better than none"
    answers.told, answers.takes = NOON + 99_000, 0.4
    await time.look()
    assert time.now() == NOON + 99_200
    answers.told, answers.takes = NOON, 30.0
    await time.look()
    assert time.now() == NOON + 129_200


async def test_what_must_not_go_by_another_clock_is_begun_when_the_store_has_answered() -> None:
    time, answers, _ = made()
    answers.away = True
    began: list[int] = []

    async def run() -> None:
        began.append(time.now())

    waiting = asyncio.create_task(time.before(run).run())
    await time.look()
    await asyncio.sleep(0)
    assert began == []
    answers.away = False
    await time.look()
    await waiting
    assert began == [NOON]


async def test_a_machine_whose_clock_is_off_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    time, answers, clock = made()

    def told() -> int:
        return sum(record.levelno == logging.WARNING for record in caplog.records)

    for off, count in ((4000, 0), (-6000, 1), (-9000, 1), (0, 1), (86_400_000, 2)):
        answers.told = NOON
        clock.wall = NOON + off
        await time.look()
        assert told() == count, f"{off} ms off"
