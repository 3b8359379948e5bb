"""Wall clocks that are an hour or a day off, jump and flicker, under server and workers; and a worker's machine that
sleeps for longer than its lease: no job is lost, doubled or ended for that (promise 9).

Longer: `tests/faults/campaign --case T15 --count 500 --report DIR`, and `--case "T15'"`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cases.kinds import KINDS, Kind
from tests.support.cases.machines import Machines
from tests.support.cases.one import Outcome, run_one


class Brief(Machines):
    """A shorter lease than in the long run."""

    lease_sec = 2.0


CASES = (KINDS["T15"], 8), (replace(KINDS["T15'"], world=Brief), 240)
"""Each with a seed: of jumps and a flicker, most of them the server's; and of a sleep of more than a lease."""


@pytest.mark.timeout(120)
def test_what_clocks_say_costs_no_job_anything(tmp_path: Path) -> None:
    """Side by side: most of it is waiting."""

    def outcome(case: tuple[Kind, int]) -> Outcome:
        kind, seed = case
        return run_one(kind, 1, seed, tmp_path)

    with ThreadPoolExecutor(len(CASES)) as pool:
        for one in pool.map(outcome, CASES):
            assert one.well, f"{one.case}: {one.found} {one.failed}"
            assert one.jobs > 5
