"""The engine comes, vanishes under jobs, and comes back; the worker says so, and no job is lost without a word."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.containers import QUICK, Engine, contained, containers_of, own_engine, worker_of
from tests.support.system import Server, ends, workers
from tests.support.waiting import until


@pytest.fixture(scope="module")
def only_engine() -> Iterator[Engine]:
    """An engine of these tests' own."""
    with own_engine() as engine:
        yield engine


@pytest.fixture
def engine(only_engine: Engine) -> Engine:
    """The same, which runs."""
    return only_engine if only_engine.answers() else only_engine.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server."""
    server = Server(tmp_path, **QUICK).start()
    with ends(server):
        yield server
        assert server.stop() == 0


def executors(api: Api) -> list[str]:
    """What the worker can run, as the server knows it."""
    return sorted(workers(api)[0]["executors"])


def up(api: Api, command: str, **more: object) -> str:
    """A job that has written something."""
    job_id = str(api.create(contained(command, **more))["jobId"])
    until(lambda: api.output(job_id), "it runs")
    return job_id


@pytest.mark.timeout(90)
def test_jobs_under_way_end_with_it_and_others_wait_until_it_is_back(engine: Engine, server: Server) -> None:
    """An engine that finds its containers running when it is back ends them: nothing that they wrote is lost."""
    worker = worker_of(server, DOCKER_HOST=engine.host)
    with ends(worker):
        api = server.api()
        worker.start(api)
        assert executors(api) == ["container", "process"]
        running = up(api, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done")
        engine.kill9()
        until(lambda: executors(api) == ["process"], "the server knows that it runs no containers")
        host = api.create({"command": "echo on the machine"})["jobId"]
        api.wait_status(host, "completed")
        waiting = api.create(contained("echo later"))["jobId"]
        until(lambda: api.job(waiting)["waitingFor"], "that job says what it waits for")
        assert api.job(running)["status"] == "running"
        engine.start()
        job = api.wait_ended([running], within=30)[0]
        assert (job["status"], job["reason"]) == ("failed", "worker")
        assert "engine" in job["message"]
        assert job["attempts"][-1]["proof"] == {"left": 0, "survivors": []}
        lines = api.output(running).decode().splitlines()
        assert lines == [str(number) for number in range(len(lines))], "in order, none missing, none twice"
        assert api.wait_status(waiting, "completed", within=30)["run"] == 1
        assert executors(api) == ["container", "process"]
        until(lambda: not containers_of(worker, engine.host), "no container is left")
        assert worker.stop() == 0


def test_one_that_does_not_come_back_in_time_is_told_as_lost(engine: Engine, server: Server) -> None:
    worker = worker_of(server, DOCKER_HOST=engine.host, ENGINE_WAIT_SEC="1s", KILL_DEADLINE_SEC="500ms")
    with ends(worker):
        api = server.api()
        worker.start(api)
        running = up(api, "echo up; sleep 60")
        engine.kill9()
        job = api.wait_ended([running], within=20)[0]
        assert (job["status"], job["reason"]) == ("failed", "worker")
        assert "engine is gone" in job["message"]
        assert job["attempts"][-1]["proof"]["left"] == 1, "nobody knows whether it still runs"
        assert f"container cmdexec-{running}.1" in job["attempts"][-1]["proof"]["survivors"]
        engine.start()
        until(lambda: not containers_of(worker, engine.host), "what was left is removed when it is back")
        assert worker.stop() == 0


def test_a_worker_that_was_told_of_an_engine_that_is_away_says_so_and_heals(engine: Engine, server: Server) -> None:
    engine.kill9()
    worker = worker_of(server, DOCKER_HOST=engine.host)
    with ends(worker):
        api = server.api()
        worker.start(api)
        assert executors(api) == ["process"]
        waiting = api.create(contained("echo at last"))["jobId"]
        engine.start()
        assert api.wait_status(waiting, "completed", within=30)["run"] == 1
        log = worker.log.read_text()
        assert "no jobs in containers until it answers" in log
        assert f"at {engine.host}" in log
        assert worker.stop() == 0
