"""Guessing costs time; good logins do not."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.errors import Unavailable
from cmdexec.server.identity.throttle import _KEYS, Throttle, source_key
from tests.unit.server.identity.conftest import HandClock


async def guess(throttle: Throttle, key: str, free: int) -> bool:
    """A wrong try, and whether it was let through."""
    try:
        async with throttle.turn({key: free}) as turn:
            await asyncio.sleep(0)
            turn.failed()
    except Unavailable:
        return False
    return True


async def tries(throttle: Throttle, key: str, free: int, count: int) -> list[bool]:
    """Which of `count` wrong tries, one after the other at once, were let through."""
    return [await guess(throttle, key, free) for _ in range(count)]


async def right(throttle: Throttle, account: str, place: str, free: int) -> None:
    async with throttle.turn({account: free, place: free}):
        await asyncio.sleep(0)
        throttle.succeeded(account)


async def test_a_thousand_guesses_at_once_are_a_handful_of_tries() -> None:
    assert (await tries(Throttle(HandClock(), longest_sec=300), "a", 5, 1000)).count(True) == 5


async def test_guesses_side_by_side_are_no_more_than_one_after_the_other() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    assert (await asyncio.gather(*(guess(throttle, "a", 5) for _ in range(50)))).count(True) == 5
    assert not throttle._under_way
    assert not throttle._waiting


async def test_good_logins_side_by_side_wait_for_each_other_and_none_is_refused() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    await asyncio.gather(*(right(throttle, "mine", "here", 5) for _ in range(50)))
    await asyncio.gather(*(right(throttle, f"of {number}", "here", 5) for number in range(50)))
    assert (await tries(throttle, "here", 5, 6)).count(True) == 5


async def test_too_many_that_wait_are_told_so_and_leave_nothing_behind() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    told = await asyncio.gather(*(right(throttle, "a", "b", 1) for _ in range(60)), return_exceptions=True)
    codes = [wrong.code for wrong in told if isinstance(wrong, Unavailable)]
    assert codes == ["overloaded"] * 9
    async with throttle.turn({"a": 1}):
        waiting = asyncio.ensure_future(right(throttle, "a", "b", 1))
        await asyncio.sleep(0)
        waiting.cancel()
        assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert not throttle._waiters
    assert not throttle._waiting


async def test_what_came_to_no_end_counts_nowhere() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    for _ in range(20):
        with pytest.raises(Unavailable, match="away"):
            async with throttle.turn({"a": 2}):
                raise Unavailable("store_away", "away")
    assert await tries(throttle, "a", 2, 3) == [True, True, False]


async def test_a_thousand_guesses_in_an_hour_are_fewer_than_twenty() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=300)
    through = 0
    for _ in range(1000):
        through += await guess(throttle, "a", 5)
        clock.seconds += 3.6
    assert 5 < through <= 25


async def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=20)
    waits = []
    assert await guess(throttle, "a", 1)
    for _ in range(6):
        with pytest.raises(Unavailable) as refused:
            throttle.check("a", "wait")
        waits.append(round(refused.value.retry_after))
        clock.seconds += refused.value.retry_after
        assert await guess(throttle, "a", 1)
    assert waits == [1, 2, 4, 8, 16, 20]


async def test_a_refused_try_counts_nowhere() -> None:
    """Else whoever guesses at one account would make others wait for a place they share."""
    throttle = Throttle(HandClock(), longest_sec=300)
    assert (await tries(throttle, "account", 1, 50)).count(True) == 1
    for _ in range(50):
        with pytest.raises(Unavailable):
            async with throttle.turn({"account": 1, "place": 3}) as turn:
                turn.failed()
    assert await tries(throttle, "place", 3, 3) == [True] * 3


async def test_one_good_password_does_not_pay_for_guesses_at_others() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    through = 0
    for number in range(100):
        try:
            async with throttle.turn({f"victim {number}": 5, "place": 4}) as turn:
                turn.failed()
            through += 1
            await right(throttle, "mine", "place", 5)
        except Unavailable:
            continue
    assert through <= 4


async def test_failures_are_forgotten_after_a_while() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=10)
    assert (await tries(throttle, "a", 3, 4)).count(True) == 3
    clock.seconds += 41
    assert (await tries(throttle, "a", 3, 4)).count(True) == 3


async def test_memory_is_bounded_and_a_flood_wipes_out_no_wait() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    await tries(throttle, "victim", 5, 5)
    for number in range(_KEYS + 100):
        throttle.failed(f"a{number}", 5)
    assert len(throttle._light) + len(throttle._heavy) == _KEYS
    assert not await guess(throttle, "victim", 5)
    await tries(throttle, "flood", 1, 1)
    kept = set(throttle._light)
    for number in range(100):
        with pytest.raises(Unavailable):
            async with throttle.turn({f"b{number}": 5, "flood": 1}):
                pass
    assert set(throttle._light) == kept, "what is refused makes no entry"


@pytest.mark.parametrize(("one", "other", "same"), [
    ("192.0.2.1", "192.0.2.1", True), ("192.0.2.1", "192.0.2.2", False), ("2001:db8::1", "2001:db8::ffff:1", True),
    ("2001:db8:0:1::1", "2001:db8:0:2::1", False), ("::ffff:192.0.2.1", "192.0.2.1", True),
    ("fe80::1%eth0", "fe80::2", True),
])  # fmt: skip
def test_a_place_is_an_address_or_a_network_of_ipv6(one: str, other: str, same: bool) -> None:
    assert (source_key(one) == source_key(other)) is same


@given(st.text(max_size=300))
def test_any_text_is_a_place(text: str) -> None:
    assert len(source_key(text)) < 80
