"""Ids: UUIDv7 as RFC 9562 has it, rising whatever the clock does."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from cmdexec.ids import Ids, is_id


class SetClock:
    """A clock that says what it is told to."""

    def __init__(self, now: int) -> None:
        self.moment = now

    def now(self) -> int:
        return self.moment

    def elapsed(self) -> float:
        return self.moment / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("ids never wait")


def random_bytes(count: int) -> bytes:
    return bytes(255 - place % 256 for place in range(count))


NOW = 1764028800123
jumps = st.lists(st.integers(min_value=-100_000, max_value=100_000), min_size=1, max_size=50)


@given(st.integers(min_value=0, max_value=(1 << 48) - 1), st.binary(min_size=8, max_size=8))
def test_the_parts_are_those_of_rfc_9562(now: int, tail: bytes) -> None:
    made = uuid.UUID(Ids(SetClock(now), lambda count: tail * (count // 8)).new())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == max(now, 0)
    assert made.int & ((1 << 62) - 1) == int.from_bytes(tail, "big") & ((1 << 62) - 1)


@given(jumps)
def test_ids_rise_and_differ_while_the_clock_jumps_both_ways(jumps: list[int]) -> None:
    clock = SetClock(NOW)
    ids = Ids(clock, random_bytes)
    made = []
    for jump in jumps:
        clock.moment += jump
        made += [ids.new(), ids.new()]
    assert made == sorted(set(made))
    assert all(is_id(one) for one in made)


def test_a_millisecond_that_is_used_up_borrows_from_the_next() -> None:
    ids = Ids(SetClock(NOW), random_bytes)
    made = [ids.new() for _ in range(4096 * 2 + 1)]
    assert made == sorted(set(made))
    assert [uuid.UUID(made[place]).int >> 80 for place in (0, 4095, 4096, 8192)] == [NOW, NOW, NOW + 1, NOW + 2]


@given(st.lists(st.integers(min_value=0, max_value=5000), min_size=1, max_size=4), st.binary(min_size=8, max_size=8))
def test_ids_made_at_once_are_those_made_one_by_one(counts: list[int], tail: bytes) -> None:
    one, other = (Ids(SetClock(NOW), lambda count: tail * (count // 8)) for _ in range(2))
    for count in counts:
        assert one.several(count) == tuple(other.new() for _ in range(count))
        assert one.new() == other.new()


def test_ids_made_at_once_have_each_their_own_randomness() -> None:
    made = Ids(SetClock(NOW), lambda count: bytes(place // 8 for place in range(count))).several(200)
    assert [one[-12:] for one in made] == [f"{number:02x}" * 6 for number in range(200)]


def test_a_clock_that_goes_on_is_followed() -> None:
    clock = SetClock(NOW)
    ids = Ids(clock, random_bytes)
    ids.new()
    clock.moment = NOW + 5000
    assert uuid.UUID(ids.new()).int >> 80 == NOW + 5000


def test_two_makers_differ_by_their_randomness() -> None:
    tails = iter([b"\x00", b"\x01"])
    one, other = (Ids(SetClock(NOW), lambda count: next(tails) * count).new() for _ in range(2))
    assert one != other
    assert one[:18] == other[:18]


def test_only_the_form_of_an_id_is_one() -> None:
    good = Ids(SetClock(NOW), random_bytes).new()
    assert is_id(good)
    for bad in ("", good[:-1], f"{good}0", good.upper(), f"{good}\n", good.replace("-", ""), "../../passwd", "g" * 36):
        assert not is_id(bad), bad
