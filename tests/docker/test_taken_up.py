"""What a worker finds of its containers when it starts again: ended meanwhile, over their time, cut off, or removed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.containers import QUICK, contained, containers_of, docker, worker_of
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Api, Worker]]:
    """A worker that keeps 64 KiB to 128 KiB of what a container wrote."""
    server = Server(tmp_path, **QUICK).start()
    worker = worker_of(server, CONTAINER_LOG_BYTES="65536")
    with ends(server, worker):
        api = server.api()
        yield api, worker.start(api)
        until(lambda: not containers_of(worker), "no container is left")
        assert worker.stop() == 0


def dies_while(both: tuple[Api, Worker], command: str, meanwhile: Callable[[str], object], **job: object) -> str:
    """The job is up when its worker is killed; `meanwhile` is called with its container while there is none."""
    api, worker = both
    job_id = str(api.create(contained(command, **job))["jobId"])
    until(lambda: b"up" in api.output(job_id), "it runs")
    worker.kill9()
    meanwhile(f"cmdexec-{job_id}.1")
    worker.start()
    return job_id


def is_over(name: str) -> None:
    until(lambda: docker("inspect", "--format", "{{.State.Running}}", name).strip() == "false", "it is over")


def test_one_that_ended_meanwhile_has_its_own_end(both: tuple[Api, Worker]) -> None:
    """It is not over its time because nobody looked for longer than that."""
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 1; echo late >&2; exit 7", is_over, timeoutSec=1.5)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"], job["exitCode"]) == ("failed", "exit", 7)
    assert (api.output(job_id), api.output(job_id, "stderr")) == (b"up\n", b"late\n")
    assert job["output"]["stdout"]["whole"] is True


def test_one_that_is_over_its_time_is_ended_when_it_is_found(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda _name: None, timeoutSec=2, killGraceSec=0)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "timeout")


def test_one_that_is_cancelled_while_there_is_no_worker_ends_when_it_is_found(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda name: api.cancel(name[8:-2]), killGraceSec=0)
    job = api.wait_status(job_id, "cancelled")
    assert job["attempts"][-1]["attempt"] == 1


def test_one_that_somebody_removed_is_told_as_dead(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 60", lambda name: docker("rm", "--force", name))
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "worker")
    assert api.output(job_id) == b"up\n", "what had come stays"


def test_one_with_an_input_is_ended_since_nobody_knows_how_much_of_it_came(both: tuple[Api, Worker]) -> None:
    api, _ = both
    job_id = dies_while(both, "cat; sleep 60", lambda _name: None, stdin="dXA=")
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["reason"]) == ("failed", "worker")


def test_what_the_engine_cut_off_is_told_as_lost(both: tuple[Api, Worker]) -> None:
    """More was written while there was no worker than the engine keeps: where that belongs nobody can say."""
    api, _ = both
    job_id = dies_while(both, "echo up; sleep 1; seq 100000; exit 0", is_over)
    job = api.wait_ended([job_id])[0]
    assert (job["status"], job["exitCode"]) == ("completed", 0)
    assert job["output"]["stdout"]["whole"] is False
    assert api.output(job_id).startswith(b"up\n")
    assert len(api.output(job_id)) < 1000, "nothing is passed off as what followed"
