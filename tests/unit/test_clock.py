"""The clock: durations that count suspended time, and moments written as RFC 3339."""

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.clock import SystemClock, rfc3339

LAST_MILLI = int(datetime.datetime.max.replace(tzinfo=datetime.UTC).timestamp()) * 1000 - 1


def test_elapsed_is_the_clock_that_counts_suspended_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(time, "clock_gettime", lambda source: asked.append(source) or 12.5)
    assert SystemClock().elapsed() == 12.5
    assert asked == [time.CLOCK_BOOTTIME]


def test_elapsed_falls_back_where_no_clock_counts_suspended_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    before = time.monotonic()
    assert before <= SystemClock().elapsed() <= time.monotonic()


def test_elapsed_is_in_seconds_and_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.elapsed() for _ in range(1000)]
    assert readings == sorted(readings)
    assert abs(clock.elapsed() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1.0


def test_now_is_in_milliseconds_of_the_wall_clock() -> None:
    assert abs(SystemClock().now() - time.time() * 1000) < 1000


async def test_sleep_lets_the_time_pass() -> None:
    clock = SystemClock()
    start = clock.elapsed()
    await clock.sleep(0.02)
    assert clock.elapsed() - start >= 0.019


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1764028800123, "2025-11-25T00:00:00.123Z"),
        (951782400000, "2000-02-29T00:00:00.000Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_rfc3339_of_known_moments(moment: int, text: str) -> None:
    assert rfc3339(moment) == text


def test_rfc3339_of_nothing_is_nothing() -> None:
    assert rfc3339(None) is None


@given(st.integers(min_value=-62135596800000, max_value=LAST_MILLI))
def test_rfc3339_is_exact(moment: int) -> None:
    text = rfc3339(moment)
    assert text is not None
    back = datetime.datetime.fromisoformat(text)
    since = back - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert since // datetime.timedelta(milliseconds=1) == moment
    assert len(text) == 24
