"""Whoever waits for jobs learns of their ends, whatever becomes of the socket that tells them, and of the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import cmdexec
from tests.support.proxy import Proxy, Way, proxying
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until

FAST = {
    "retry_first_sec": "10ms", "retry_max_sec": "200ms", "follow_silence_sec": "1s", "connect_timeout_sec": "1s",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("waiting")).start()
    worker = Worker(server, "w", RECONNECT_MAX_SEC="500ms")
    with ends(server, worker):
        worker.start(server.api())
        yield server


def connected(proxy: Proxy, server: Server, **settings: str) -> cmdexec.Connection:
    return cmdexec.connect(proxy.url, str(server.api().token), **(FAST | settings))


def waiting(tmp_path: Path) -> str:
    """A command that goes on until `end(tmp_path)`."""
    return f"until [ -e {tmp_path}/end ]; do sleep 0.02; done; echo over"


def end(tmp_path: Path) -> None:
    (tmp_path / "end").touch()


@pytest.mark.parametrize("way", ["refuse 403", "refuse 502", "strip", "swallow", "freeze", "reset"])
def test_a_socket_that_is_blocked_costs_time_and_nothing_else(served: Server, tmp_path: Path, way: Way) -> None:
    """Blocked while jobs are waited for: those are told of, and those that are submitted then."""
    with proxying(served.port) as proxy, connected(proxy, served) as c:
        jobs = [c.submit(waiting(tmp_path)) for _ in range(2)]
        until(lambda: proxy.upgrades == 1, "they are watched over a socket")
        proxy.block(way)
        end(tmp_path)
        assert [job.result(15).text for job in jobs] == ["over\n"] * 2
        assert c.run("echo late").text == "late\n"


def test_with_a_socket_nobody_looks(served: Server, tmp_path: Path) -> None:
    patient = {"retry_first_sec": "2s", "retry_max_sec": "2s"}
    with proxying(served.port) as proxy, connected(proxy, served, **patient) as c:
        c.run("true")
        looked = proxy.asked["/api/jobs/status"]
        jobs = [c.submit(waiting(tmp_path)) for _ in range(3)]
        end(tmp_path)
        for job in jobs:
            job.result(15)
        assert proxy.upgrades == 1
        assert proxy.asked["/api/jobs/status"] == looked


def test_a_server_that_is_killed_under_it_is_waited_for(served: Server, tmp_path: Path) -> None:
    """Its jobs end while there is no server."""
    with proxying(served.port) as proxy, connected(proxy, served) as c:
        jobs = [c.submit(waiting(tmp_path)) for _ in range(2)]
        for job in jobs:
            until(job.running, "it runs")
        served.kill9()
        end(tmp_path)
        served.start()
        assert [job.result(30).text for job in jobs] == ["over\n"] * 2
        assert c.run("echo after").text == "after\n"
