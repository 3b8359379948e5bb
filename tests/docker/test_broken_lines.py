"""Connections to the engine that break off, or die without a word: nothing is taken for the end that is none."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.containers import QUICK, contained, containers_of, worker_of
from tests.support.slow_engine import SlowEngine, slow_engine
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until

LINES = b"".join(b"%d\n" % number for number in range(1, 20_001))


@pytest.fixture(scope="module")
def engine() -> Iterator[SlowEngine]:
    """The engine, behind connections that these tests break."""
    with slow_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, engine: SlowEngine) -> Iterator[tuple[Api, Worker]]:
    """A worker at that engine."""
    server = Server(tmp_path_factory.mktemp("broken"), **QUICK).start()
    worker = worker_of(server, DOCKER_HOST=engine.host, ENGINE_FOLLOW_SEC="500ms", ENGINE_AGAIN_SEC="500ms")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        yield api, worker
        until(lambda: not containers_of(worker), "no container is left")
        assert worker.stop() == 0
        assert server.stop() == 0


HEAD = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
HEAD += b"Upgrade: tcp\r\n\r\n"
"""Of the answer to attaching, as Docker Engine 20.10 writes it."""


@pytest.mark.parametrize("size", [len(HEAD), len(HEAD) + 3, 20_000], ids=["none", "none of a piece", "some"])
def test_output_that_broke_off_comes_whole_from_the_log(
    both: tuple[Api, Worker], engine: SlowEngine, size: int
) -> None:  # fmt: skip
    """And reading that is tried again, where it breaks off as well."""
    api, _ = both
    engine.bytes_of = {"/attach": size, "/logs": 20_000}
    job_id = str(api.create(contained("seq 20000"))["jobId"])
    logs = f"containers/cmdexec-{job_id}.1/logs"
    until(lambda: sum(call.startswith(logs) for call in engine.asked) > 2, "its log is asked for again")
    engine.bytes_of = {}
    job = api.wait_ended([job_id])[0]
    assert (job["status"], api.output(job_id)) == ("completed", LINES)
    assert job["output"]["stdout"]["whole"] is True


def test_what_was_cut_off_between_two_pieces_is_seen_by_the_log(both: tuple[Api, Worker], engine: SlowEngine) -> None:
    """As if the engine had said all: one whole piece, and the connection's end."""
    api, _ = both
    engine.bytes_of = {"/attach": len(HEAD) + 8 + len(b"first\n")}
    job_id = str(api.create(contained("echo first; sleep 0.02; echo last"))["jobId"])
    job = api.wait_ended([job_id])[0]
    engine.bytes_of = {}
    assert (job["status"], api.output(job_id)) == ("completed", b"first\nlast\n")
    assert job["output"]["stdout"]["whole"] is True


def test_a_connection_that_died_without_a_word_holds_no_job(both: tuple[Api, Worker], engine: SlowEngine) -> None:
    api, _ = both
    engine.kept_open = {"/attach", "/wait"}
    job_id = str(api.create(contained("echo first; exit 3"))["jobId"])
    job = api.wait_ended([job_id])[0]
    engine.kept_open = set()
    assert (job["reason"], job["exitCode"], api.output(job_id)) == ("exit", 3, b"first\n")
    assert job["output"]["stdout"]["whole"] is True
