"""The product's own server, store and workers, while everything fails at random: what is promised holds all the same.

500 seeds in two processes; more of them by `SIM_SEEDS=10000 pytest tests/sim`, from another one on with `SIM_FIRST`.
One seed again: `PYTHONHASHSEED=0 python -m tests.sim.whole --first 417`.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.sim.whole.plan import KINDS

ROOT = Path(__file__).parents[3]
SEEDS = int(os.environ.get("SIM_SEEDS", "500"))
FIRST = int(os.environ.get("SIM_FIRST", "1"))
USUAL = 500
PROCESSES = 2

WHERE_IT_HURTS = {
    *KINDS, "unanswered", "whole", "not whole", "requeue 200", "requeue 409", "requeue 503",
    "ended completed", "ended cancelled", "ended failed exit", "ended failed lost", "ended failed worker",
    "ended failed start", "lease_over unknown", "lease_over queued", "lease_over failed", "lease_over cancelled",
    "resume running", "superseded running", "superseded completed", "dead failed", "dead scheduled",
    "missing running", "never_spawned queued", "handed_back scheduled", "recall queued", "cancel running",
    "cancel cancelled",
}  # fmt: skip
"""Faults, changes and ends that have to have been met before anything is proved. An event stands before what the job
was after it."""


def _begun(first: int, seeds: int) -> "subprocess.Popen[str]":
    asked = ["--first", str(first), "--seeds", str(seeds), "--step", str(PROCESSES)]
    env = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.sim.whole", *asked]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(100 if SEEDS <= USUAL else 0)
def test_promises_hold_whatever_fails() -> None:
    each = -(-SEEDS // PROCESSES)
    runs = [_begun(FIRST + lane, each) for lane in range(PROCESSES)]
    try:
        seen: Counter[str] = Counter()
        for lane in runs:
            told, _ = lane.communicate()
            assert lane.returncode == 0, told
            seen.update(json.loads(told.splitlines()[-1]))
    finally:
        for lane in runs:
            lane.kill()
            lane.wait()
    assert seen["seeds"] == PROCESSES * each
    if SEEDS >= USUAL:
        assert WHERE_IT_HURTS - set(seen) == set()
