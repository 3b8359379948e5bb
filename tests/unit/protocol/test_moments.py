"""Moments as people write them."""

import pytest

from cmdexec.clock import rfc3339
from cmdexec.protocol.moments import EXAMPLE, moment, moment_or_before

NOW = 1_764_028_800_123


@pytest.mark.parametrize(("text", "is_"), [
    (EXAMPLE, "2025-01-31T12:00:00.000Z"),
    ("2025-01-31t12:00:00z", "2025-01-31T12:00:00.000Z"),
    ("2025-01-31 12:00:00+02:00", "2025-01-31T10:00:00.000Z"),
    ("2025-01-31T23:30:00.5-01:30", "2025-02-01T01:00:00.500Z"),
    ("2024-02-29T00:00:00.123999999Z", "2024-02-29T00:00:00.123Z"),
    ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
])  # fmt: skip
def test_a_moment_says_its_offset(text: str, is_: str) -> None:
    assert rfc3339(moment(text)) == is_


@pytest.mark.parametrize("text", [
    "", "now", "2025-01-31", "2025-01-31T12:00:00", "2025-02-30T12:00:00Z", "2025-01-31T25:00:00Z",
    "2025-01-31T12:00:60Z", "2025-01-31T12:00Z", "20250131T120000Z", "2025-01-31T12:00:00+0200",
    "2025-01-31T12:00:00+25:00", "٢٠٢٥-01-31T12:00:00Z", "2025-01-31T12:00:00Z ", "0000-01-01T00:00:00Z", "-7d",
])  # fmt: skip
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment(text) is None


@pytest.mark.parametrize(("text", "seconds"), [
    ("-90s", 90), ("-30m", 1800), ("-12h", 43_200), ("-7d", 604_800), ("-2w", 1_209_600), ("-0s", 0),
])  # fmt: skip
def test_before_now_is_told_in_one_unit(text: str, seconds: int) -> None:
    assert moment_or_before(text, NOW) == NOW - seconds * 1000


def test_a_list_takes_either_and_nothing_else() -> None:
    assert moment_or_before(EXAMPLE, NOW) == moment(EXAMPLE)
    assert [moment_or_before(text, NOW) for text in ("7d", "-d", "-7", "-7y", "-1d2h", "-9999999d")] == [None] * 6
