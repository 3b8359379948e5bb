"""The primary of three MongoDBs goes while two servers work, and so does their Redis: nothing is lost or doubled.

`tests/faults/campaign --case T27 --count 10 --report DIR` is the long run: ten times five failovers.
"""

from pathlib import Path

import pytest

from tests.services.packages import Missing
from tests.support.cases.failing import failovers
from tests.support.cases.homes import InSetOfThree
from tests.support.cases.world import LEASE_SEC, World, bound_sec
from tests.support.recorder import Recorder
from tests.support.verified import must_be_as_promised

WAYS = ("kill -9 of the primary", "the primary writes alone, and then is frozen")


@pytest.mark.timeout(180)
def test_a_primary_that_is_killed_and_one_that_wrote_alone_cost_no_job_anything(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    recorder = Recorder(history, "T27", 1, 1, bound_sec(LEASE_SEC))
    try:
        with World(tmp_path, recorder, 1, home=InSetOfThree(tmp_path)) as world:
            failovers(world, WAYS)
    except Missing as missing:
        pytest.skip(f"MongoDB or Redis is missing here: {missing}")
    finally:
        recorder.close()
    must_be_as_promised(history)
