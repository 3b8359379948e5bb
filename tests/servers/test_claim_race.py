"""Two servers whose workers all want the same jobs: each is given to one worker, once.

`tests/faults/campaign --case T17 --count 50 --report DIR` is the long run: 50 times 1,000 claims.
"""

from pathlib import Path

import pytest

from tests.services.packages import Missing
from tests.support.cases.homes import InSharedSet
from tests.support.cases.race import JOBS, RACING, must_be_once, raced
from tests.support.cases.world import LEASE_SEC, World, bound_sec
from tests.support.recorder import Recorder


@pytest.mark.timeout(120)
def test_jobs_that_64_workers_of_two_servers_want_are_given_to_one_of_them_each(tmp_path: Path) -> None:
    """By the workers' own record, by what the servers tell of each job, and by the rules of `doctor --verify`."""
    recorder = Recorder(tmp_path / "history.jsonl", "T17", 1, 1, bound_sec(LEASE_SEC))
    try:
        with World(tmp_path, recorder, 1, home=InSharedSet(tmp_path), **RACING) as world:
            race, job_ids = raced(world, JOBS)
            must_be_once(race, job_ids)
            jobs = world.api("looker").jobs(job_ids)
            assert {(job["status"], job["attempt"]) for job in jobs} == {("completed", 1)}
    except Missing as missing:
        pytest.skip(f"there is no MongoDB here: {missing}")
    finally:
        recorder.close()
