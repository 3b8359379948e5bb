"""Guessing costs time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.errors import Unavailable
from cmdexec.server.identity.throttle import _KEYS, Throttle, source_key
from tests.unit.server.identity.conftest import HandClock


def tries(throttle: Throttle, key: str, free: int, count: int) -> list[bool]:
    """Which of `count` tries, one after the other at once, were let through."""
    through = []
    for _ in range(count):
        try:
            throttle.begin({key: free})
            through.append(True)
        except Unavailable:
            through.append(False)
    return through


def test_a_thousand_guesses_at_once_are_a_handful_of_tries() -> None:
    assert tries(Throttle(HandClock(), longest_sec=300), "a", 5, 1000).count(True) == 5


def test_a_thousand_guesses_in_an_hour_are_fewer_than_twenty() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=300)
    through = 0
    for _ in range(1000):
        through += tries(throttle, "a", 5, 1).count(True)
        clock.seconds += 3.6
    assert 5 < through <= 25


def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=20)
    waits = []
    throttle.begin({"a": 1})
    for _ in range(6):
        with pytest.raises(Unavailable) as refused:
            throttle.begin({"a": 1})
        waits.append(round(refused.value.retry_after))
        clock.seconds += refused.value.retry_after
        throttle.begin({"a": 1})
    assert waits == [1, 2, 4, 8, 16, 20]


def test_a_refused_try_counts_nowhere() -> None:
    """Else whoever guesses at one account would make others wait for a place they share."""
    throttle = Throttle(HandClock(), longest_sec=300)
    assert tries(throttle, "account", 1, 50).count(True) == 1
    for _ in range(50):
        with pytest.raises(Unavailable):
            throttle.begin({"account": 1, "place": 3})
    assert tries(throttle, "place", 3, 3) == [True] * 3


def test_success_clears_the_account_and_excuses_one_try_of_the_place() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    for _ in range(100):
        throttle.begin({"account": 2, "place": 4})
        throttle.succeeded("account")
        throttle.undo("place")
    assert tries(throttle, "account", 2, 3) == [True, True, False]


def test_one_good_password_does_not_pay_for_guesses_at_others() -> None:
    throttle = Throttle(HandClock(), longest_sec=300)
    through = 0
    for number in range(100):
        try:
            throttle.begin({f"victim {number}": 5, "place": 4})
            through += 1
            throttle.begin({"mine": 5, "place": 4})
            throttle.succeeded("mine")
            throttle.undo("place")
        except Unavailable:
            continue
    assert through <= 4


def test_failures_are_forgotten_after_a_while() -> None:
    clock = HandClock()
    throttle = Throttle(clock, longest_sec=10)
    assert tries(throttle, "a", 3, 4).count(True) == 3
    clock.seconds += 41
    assert tries(throttle, "a", 3, 4).count(True) == 3


def test_memory_is_bounded() -> None:
    throttle = Throttle(HandClock(), longest_sec=10)
    for number in range(_KEYS + 100):
        throttle.begin({f"a{number}": 5})
    assert len(throttle._tries) == _KEYS


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
