"""The newest output in memory: what it has is right, and it costs its bytes, not its pieces."""

import random
from sys import getsizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.server.output.tail import Tail

MOST = 256 * 1024


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.integers(0, 3)), max_size=40), st.integers(0, 400))
def test_a_tail_has_what_it_says_or_says_that_it_has_not(growth: list[tuple[int, bool, int]], most: int) -> None:
    """Growth: how many bytes come, whether the hint brings them, how many bytes it tells again."""
    whole, tail, rng = b"", Tail(most), random.Random(0)
    for size, told, again in growth:
        data = rng.randbytes(size)
        whole += data
        tail.grew(len(whole), whole[max(0, len(whole) - size - again) :] if told else b"")
        assert sum(map(len, tail._blocks)) == tail._size <= most
        for offset in range(len(whole) + 2):
            kept = tail.at(offset, 10)
            assert kept is None or (kept and whole[offset : offset + len(kept)] == kept)
        assert tail.end == len(whole)


def cost(tail: Tail) -> int:
    """What it takes in memory, in bytes."""
    return getsizeof(tail._blocks) + getsizeof(tail._starts) + sum(map(getsizeof, [*tail._blocks, *tail._starts]))


@pytest.mark.parametrize("sizes", [(1,), (10,), (1, 16 * 1024), (16 * 1024,), (100_000, 1)])
def test_small_pieces_cost_no_more_than_large_ones(sizes: tuple[int, ...]) -> None:
    tail, end, number = Tail(MOST), 0, 0
    while end < 2 * MOST:
        size = sizes[number % len(sizes)]
        number += 1
        end += size
        tail.grew(end, bytes([number % 256]) * size)
    assert tail._size > MOST // 2, "it keeps less than it may"
    assert cost(tail) < 1.25 * MOST
    assert len(tail._blocks) <= 40, "a look walks over too many pieces"


def test_a_look_brings_about_as_much_as_is_asked_for() -> None:
    tail = Tail(MOST)
    for end in range(1, 100_001):
        tail.grew(end, b"x")
    got = tail.at(50_000, 20_000)
    assert got is not None
    assert 20_000 <= len(got) < 20_000 + 16 * 1024


def test_what_was_given_out_does_not_change_when_more_comes() -> None:
    tail = Tail(MOST)
    tail.grew(5, b"hello")
    first = tail.at(0, 100)
    tail.grew(6, b"!")
    second = tail.at(0, 100)
    tail.grew(7, b"?")
    assert (first, second, tail.at(0, 100)) == (b"hello", b"hello!", b"hello!?")
    assert isinstance(second, bytes)
