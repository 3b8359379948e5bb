"""One server and one worker for all tests of a file, and the engine: without one these tests are skipped, loudly."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.containers import DOCKER, IMAGE, QUICK, docker, remove_left, worker_of
from tests.support.system import Server, Worker, ends


@pytest.fixture(scope="session", autouse=True)
def _engine() -> Iterator[None]:
    try:
        docker("image", "inspect", IMAGE)
    except (AssertionError, OSError) as wrong:
        pytest.skip(f"NO CONTAINER ENGINE with {IMAGE} AT {DOCKER}: run tests/docker/tools first ({wrong})")
    yield
    remove_left()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Worker]]:
    """A server, and a worker that allows no network and 40 processes."""
    folder = tmp_path_factory.mktemp("system")
    server = Server(folder, **QUICK).start()
    worker = worker_of(server, CONTAINER_PIDS="40")
    with ends(server, worker):
        worker.start(server.api())
        yield server, worker
        assert worker.stop() == 0
        assert server.stop() == 0


@pytest.fixture
def api(system: tuple[Server, Worker]) -> Api:
    """An admin's calls."""
    return system[0].api()
