"""Times, durations and sizes as people read them."""

import pytest

from cmdexec.cli.described import how_it_stands, spent
from cmdexec.cli.show import _reasons
from cmdexec.cli.worded import ago, as_typed, counted, duration, local, millis, said_here, size
from tests.support.answers import row
from tests.support.scripted import job

NOW = millis("2026-11-25T12:00:00.000Z") or 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0ms"), (0.0421, "42ms"), (3.21, "3.2s"), (42.4, "42s"), (60, "1m"), (200, "3m20s"), (3600, "1h"),
     (7300, "2h1m"), (90000, "1d1h"), (-5, "0ms")],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("passed", "said"),
    [(0, "just now"), (3, "3s ago"), (200, "3m20s ago"), (-7300, "in 2h1m"), (86400 * 3 + 5000, "3d ago")],
)
def test_moments(passed: int, said: str) -> None:
    assert ago(NOW - passed * 1000, NOW) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1536, "1.5 KB"), (10 << 20, "10 MB"),
     (1 << 50, "1024 TB")],
)  # fmt: skip
def test_sizes(count: int, said: str) -> None:
    assert size(count) == said


def test_a_command_is_shown_as_one_would_type_it() -> None:
    assert as_typed(("echo", "a b", "$x")) == "echo 'a b' '$x'"
    assert as_typed("echo a | wc") == "echo a | wc"
    assert (counted(1, "job"), counted(2, "process", "processes")) == ("1 job", "2 processes")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "failed", "reason": "exit", "exit_code": 3}, "failed: exit 3"),
        ({"status": "failed", "reason": "signal", "signal": 9}, "failed: signal 9"),
        ({"status": "failed", "reason": "timeout"}, "failed: timeout"),
        ({"status": "cancelled", "confirmed": False}, "cancelled, not confirmed"),
        ({"status": "running", "cancel_requested": True}, "running, to be cancelled"),
        ({"status": "completed", "cancel_requested": True}, "completed"),
    ],
)
def test_how_a_job_stands(fields: dict[str, object], said: str) -> None:
    assert how_it_stands(row(**fields)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "queued", "queued_at": "2026-11-25T11:59:00Z"}, ("waits 1m", 60)),
        ({"status": "running", "started_at": "2026-11-25T11:59:58Z"}, ("runs 2.0s", 2)),
        (
            {"status": "failed", "started_at": "2026-11-25T11:00:00Z", "finished_at": "2026-11-25T11:00:05Z"},
            ("ran 5.0s", 5),
        ),
        (
            {"status": "cancelled", "queued_at": "2026-11-25T11:00:00Z", "finished_at": "2026-11-25T11:05:00Z"},
            ("waited 5m", 300),
        ),
    ],
)
def test_how_long_it_ran_or_waits(fields: dict[str, object], said: tuple[str, float]) -> None:
    assert spent(row(**fields), NOW) == said  # type: ignore[arg-type]


def test_sentences_of_the_server_have_the_times_and_the_words_of_here() -> None:
    said = said_here("its time, 2998-12-31T23:00:00.000Z; submit it without `runAt`")
    assert said == f"its time, {local('2998-12-31T23:00:00.000Z')}; submit it without `--run-at`"


def test_a_time_limit_is_told_once() -> None:
    ended = job("failed", reason="timeout", timeout_sec=5.0, message="stopped after its limit of 5s")
    assert list(_reasons(ended)) == [("Why", "Stopped after its limit of 5s.", None)]
