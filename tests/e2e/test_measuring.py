"""What docs/measuring.md says to run can be run, and its figures are those of real work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.system import clean_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    run = subprocess.run(
        [sys.executable, "-m", "tests.load.w1", "--json", "--pairs", "1", "--jobs", "100", "--slots", "3", "--dir",
         str(tmp_path_factory.mktemp("w1"))],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-2000:]}"
    document: dict = json.loads(run.stdout)
    return document


def test_the_throughput_of_short_jobs_is_measured(told: dict) -> None:
    (pair,) = told["pairs"]
    assert (told["jobs"], told["slots"]) == (100, 3)
    assert pair == told["median"]
    assert pair["ratio"] == pytest.approx(pair["jobs_per_sec"] / pair["floor_per_sec"])
    assert 0 < pair["ratio"] < 2
    assert pair["cpu_ratio"] == pytest.approx((pair["server"] + pair["worker"] + pair["warden"]) / pair["child"])
    assert all(50 < pair[part] < 50_000 for part in ("server", "worker", "warden", "child")), "µs a job"


def test_an_idle_server_and_an_idle_worker_are_small(told: dict) -> None:
    """In MB of PSS: what a process shares with others counts in parts."""
    idle = told["idle_pss_mb"]
    assert 0 < idle["server"] <= 60
    assert 0 < idle["worker"]
    assert idle["worker"] + idle["warden"] <= 45
