"""What a load of short jobs leaves behind: nothing. The long run, which also tells by how much memory grows in an hour,
is `python -m tests.load.slope`."""

from pathlib import Path

import pytest

from tests.load.short_jobs import SLOTS, ShortJobs
from tests.load.slope import slope
from tests.load.standing import Three
from tests.support.system import Server, Worker, ends

JOBS = 100


def test_when_all_jobs_are_over_descriptors_and_tasks_are_as_before(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    worker = Worker(server, "w", slots=SLOTS)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        three = Three(server, worker)
        load = ShortJobs(api, JOBS)
        load.warm_up()
        before = three.idle()
        load.lists(2)
        assert load.wrong == []
        assert three.idle() == before
        assert set(before.tasks) == {"server", "worker"}


@pytest.mark.parametrize("an_hour", [0.0, 0.99, 1.01, 40.0])
def test_the_slope_of_what_grows_steadily_is_how_much_it_grows_in_an_hour(an_hour: float) -> None:
    points = [(float(sec), 60e6 + an_hour * 1e6 * sec / 3600 + sec % 7 * 4096) for sec in range(300, 1800)]
    found, error = slope(points)
    assert abs(found - an_hour) < 3 * error < 0.01
