"""How far ahead a worker is given jobs, and how far ahead it may ask for starts."""

import pytest

from cmdexec.model.pace import Pace, prefetch, start_ahead


def paced(count: int, lasted: float, *, every: float = 0.0, until: float = 100.0) -> Pace:
    """`count` jobs of the same length, the last of which ended at `until`."""
    pace = Pace()
    for index in range(count):
        pace.ended(until - every * (count - 1 - index), lasted)
    return pace


def test_the_median_is_of_the_last_31_and_a_stray_long_job_does_not_move_it() -> None:
    pace = paced(31, 5.0)
    assert pace.median_sec == 5.0
    for _ in range(16):
        pace.ended(100.0, 0.01)
    assert pace.median_sec == 0.01
    pace.ended(100.0, 3600.0)
    assert pace.median_sec == 0.01
    assert Pace().median_sec is None


def test_ends_are_counted_within_a_time_and_no_more_than_the_window_is_kept() -> None:
    pace = paced(20, 0.01, every=0.01)
    assert pace.within(100.0, 0.055) == 6
    assert pace.within(100.1, 0.055) == 0
    many = paced(5000, 0.01)
    assert many.within(100.0, 1.0) == 512
    assert many.total == 5000


@pytest.mark.parametrize(
    ("ended", "lasted", "round_trip", "jobs"),
    [
        (0, 0.0, 0.0, 0),
        (9, 0.01, 0.0, 0),
        (10, 0.01, 0.0, 16 + 10),
        (10, 2.0, 0.0, 16 + 10),
        (10, 2.01, 0.0, 0),
        (20, 0.01, 0.0, 16 + 10),
        (20, 0.01, 0.025, 16 + 15),
        (500, 0.01, 10.0, 256),
    ],
)
def test_prefetch(ended: int, lasted: float, round_trip: float, jobs: int) -> None:
    """Nothing until ten have ended or while they take over 2 s; then 2 × slots and what ends in 100 ms + two trips."""
    every = 0.01 if ended >= 20 else 0.0
    assert prefetch(8, paced(ended, lasted, every=every), 100.0005, round_trip) == jobs


@pytest.mark.parametrize(
    ("ended", "lasted", "round_trip", "starts"),
    [
        (0, 0.0, 1.0, 0),
        (5, 0.049, 0.0, 8),
        (5, 0.05, 1.0, 0),
        (50, 0.01, 0.1, 8 + 10),
        (500, 0.01, 2.0, 96),
    ],
)
def test_start_ahead(ended: int, lasted: float, round_trip: float, starts: int) -> None:
    """Only for jobs under 50 ms: one for each slot and for each that ends in a round trip."""
    assert start_ahead(8, paced(ended, lasted, every=0.01), 100.0005, round_trip) == starts


def test_both_obey_a_smaller_bound() -> None:
    pace = paced(100, 0.01)
    assert prefetch(8, pace, 100.0, 1.0, most=5) == 5
    assert start_ahead(8, pace, 100.0, 1.0, most=0) == 0
