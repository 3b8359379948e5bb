"""One server for all tests of the API; each test leaves it able to answer the next."""

from collections.abc import Iterator

import pytest

from tests.support.server import Running, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("api")) as run:
        yield run


@pytest.fixture(autouse=True)
def _alive(server: Running) -> Iterator[None]:
    """Whatever a test sent: the server still runs, and has had no fault of its own."""
    before = server.process.log.stat().st_size
    yield
    server.process.must_run()
    log = server.process.log.read_bytes()[before:].decode()
    assert " error " not in log, log[-3000:]
    assert "Traceback" not in log, log[-3000:]
