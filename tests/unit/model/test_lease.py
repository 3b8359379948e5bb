"""When a lease is over, when none is judged, and when a worker ends its attempts by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.model.lease import Watch, overdue, own_deadline, turned, watch

LEASE, GAP = 60.0, 10.0


def test_only_sessions_not_heard_of_for_more_than_a_lease_are_overdue() -> None:
    stamps = {"old": 39.9, "exact": 40.0, "fresh": 99.0}
    assert overdue(stamps, 100.0, LEASE, Watch(100.0, 0.0)) == ["old"]
    assert overdue(stamps.items(), 100.0, LEASE, Watch(100.0, 0.0)) == ["old"]


def test_none_is_judged_for_one_lease_after_the_start() -> None:
    fresh = watch(1000.0, LEASE)
    assert overdue({"s": 0.0}, 1059.9, LEASE, fresh) == []
    assert overdue({"s": 0.0}, 1060.0, LEASE, fresh) == ["s"]


@pytest.mark.parametrize(
    ("turned_at", "wrote_at", "judged_from"),
    [
        (1000.0, 1000.0, 500.0),
        (990.0, 990.0, 500.0),
        (989.9, 1000.0, 1060.0),
        (1000.0, 989.9, 1060.0),
        (0.0, 0.0, 1060.0),
    ],
    ids=["busy", "just in time", "the loop stood still", "no write succeeded", "both"],
)
def test_none_is_judged_for_one_lease_after_a_gap_in_the_loop_or_in_successful_writes(
    turned_at: float, wrote_at: float, judged_from: float
) -> None:
    assert turned(Watch(turned_at, 500.0), 1000.0, wrote_at, LEASE, GAP) == Watch(1000.0, judged_from)


def test_while_no_write_succeeds_the_amnesty_goes_on() -> None:
    now, judged = watch(0.0, LEASE), []
    for second in range(1, 300):
        wrote_at = float(second) if second <= 80 or second > 200 else 80.0
        now = turned(now, float(second), wrote_at, LEASE, GAP)
        judged += [second] if overdue({"s": -100.0}, float(second), LEASE, now) else []
    assert judged == [*range(60, 91), *range(260, 300)]


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0.1, 100), st.floats(0.001, 50))
def test_a_worker_ends_its_attempts_before_any_server_can_judge_its_lease(
    sent_at: float, flight: float, lease: float, margin: float
) -> None:
    """The server stamps a renewal when it arrives, which is never before it was sent."""
    deadline = own_deadline(sent_at, lease, margin)
    assert deadline <= sent_at + lease
    assert overdue({"s": sent_at + flight}, deadline, lease, Watch(0, 0)) == []


def test_the_margin_is_taken_off_the_lease_but_never_more_than_all_of_it() -> None:
    assert own_deadline(100.0, 60.0, 10.0) == 150.0
    assert own_deadline(100.0, 3.0, 10.0) == 100.0
