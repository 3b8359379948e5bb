"""How often a worker says that it lives: as the server wishes, less often over a slow link, hardly over a dead one."""

from pathlib import Path

import pytest

from cmdexec.runtime import Inline
from cmdexec.worker.lease import Lease
from cmdexec.worker.pulse import Pulse
from tests.contract.engines import HandClock, runtime_with
from tests.support.worker import worker_settings

LEASE, USUAL = 60.0, 10.0


class Link:
    """A pulse, and a link on which an answer takes as long as a test says."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        runtime = runtime_with(self.clock, Inline())
        settings = worker_settings(folder)
        lease = Lease(settings=settings, runtime=runtime)
        lease.says(LEASE, USUAL)
        self.pulse = Pulse(lease, settings=settings, runtime=runtime)

    def beat(self, round_trip_sec: float) -> None:
        self.pulse.sent()
        sent_at = self.clock.elapsed()
        self.clock.go_on(round_trip_sec)
        self.pulse.answered(sent_at)

    def said_within(self, seconds: float) -> int:
        """How many are said in that time, none of which is answered."""
        end, count = self.clock.elapsed() + seconds, 0
        while self.clock.elapsed() < end:
            if not self.pulse.due_in():
                self.pulse.sent()
                count += 1
            self.clock.go_on(1)
        return count


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link(tmp_path)


def test_the_first_is_due_at_once_and_the_next_as_the_server_wishes(link: Link) -> None:
    assert link.pulse.due_in() == 0
    link.beat(0.01)
    assert link.pulse.due_in() == pytest.approx(USUAL - 0.01)
    assert not link.pulse.stretched


@pytest.mark.parametrize(("round_trip", "interval"), [(0.9, USUAL), (1.5, 15.0), (5.0, LEASE / 3), (50.0, LEASE / 3)])
def test_over_a_slow_link_they_come_less_often_but_three_times_in_a_lease(
    link: Link, round_trip: float, interval: float
) -> None:
    for _ in range(20):
        link.beat(round_trip)
    assert link.pulse.interval_sec == pytest.approx(interval)
    assert link.pulse.stretched is (interval > USUAL)
    for _ in range(20):
        link.beat(0.01)
    assert link.pulse.interval_sec == USUAL, "as soon as it is fast again"


def test_on_a_link_that_carries_nothing_none_pile_up(link: Link) -> None:
    link.beat(0.01)
    link.clock.go_on(USUAL)
    assert link.said_within(LEASE) == 3


def test_another_connection_is_measured_anew(link: Link) -> None:
    for _ in range(20):
        link.beat(5.0)
    link.pulse.begin()
    assert (link.pulse.interval_sec, link.pulse.due_in()) == (USUAL, 0)
