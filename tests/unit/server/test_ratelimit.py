"""Counting in windows."""

import asyncio

import pytest

from cmdexec.protocol.operations import HEARTBEATS, OPERATIONS, RATES, SUBMISSIONS
from cmdexec.server.ratelimit import MemoryCounters, Rates, Spent
from cmdexec.settings.load import DECLARED, make
from cmdexec.settings.server import ServerSettings
from tests.contract.engines import HandClock


async def test_a_window_begins_with_its_first_count_and_ends_by_itself() -> None:
    clock = HandClock()
    counters = MemoryCounters(clock)
    assert await counters.add("a", 10) == (1, 10)
    clock.go_on(4)
    assert await counters.add("a", 10) == (2, 6)
    assert await counters.add("b", 10) == (1, 10)
    clock.go_on(5.5)
    assert await counters.add("a", 10) == (3, 0.5)
    clock.go_on(0.5)
    assert await counters.add("a", 10) == (1, 10)
    assert await counters.add("b", 10) == (2, 4)


async def test_what_comes_side_by_side_is_counted_once_each() -> None:
    counters = MemoryCounters(HandClock())
    counts = await asyncio.gather(*(counters.add("a", 10) for _ in range(100)))
    assert sorted(count for count, _ in counts) == list(range(1, 101))


async def test_beyond_what_is_kept_what_was_quiet_for_the_longest_is_forgotten() -> None:
    counters = MemoryCounters(HandClock(), keys=3)
    for key in ("a", "b", "c", "a", "d"):
        await counters.add(key, 10)
    assert [(await counters.add(key, 10))[0] for key in ("d", "a", "c")] == [2, 3, 2]
    assert (await counters.add("b", 10))[0] == 1


async def test_what_has_no_bound_is_not_counted() -> None:
    rates = Rates(make(ServerSettings), MemoryCounters(HandClock()))
    assert [rates.bounds(rate) for rate in RATES] == [True, False, False]
    assert await rates.spend(HEARTBEATS, "w") is None
    spent = await rates.spend(SUBMISSIONS, "u")
    assert spent is not None
    assert (spent.most, spent.used, spent.over) == (600, 1, False)


@pytest.mark.parametrize(("window_sec", "left_sec", "used", "headers"), [
    (60.0, 60.0, 1, ('"jobs";q=2;w=60', '"jobs";r=1;t=60')),
    (60.0, 59.01, 2, ('"jobs";q=2;w=60', '"jobs";r=0;t=60')),
    (0.5, 0.1, 9, ('"jobs";q=2;w=1', '"jobs";r=0;t=1')),
])  # fmt: skip
def test_the_headers_are_whole_seconds(window_sec: float, left_sec: float, used: int, headers: tuple[str, str]) -> None:
    spent = Spent(SUBMISSIONS, 2, window_sec, used, left_sec)
    assert (spent.headers["RateLimit-Policy"], spent.headers["RateLimit"]) == headers
    assert spent.over is (used > 2)
    refusal = spent.refusal()
    assert (refusal.code, refusal.retry_after, refusal.headers) == ("too_many", left_sec, spent.headers)


def test_every_rate_is_of_some_operation_and_has_a_setting() -> None:
    names = {setting.name for setting in DECLARED["server"]}
    for rate in RATES:
        assert rate.setting in names
        assert [one for one in OPERATIONS if one.rate is rate]
