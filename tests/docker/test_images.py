"""Images: fetched from their registry when they are missing, always, or never, and how far that has come."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.containers import containers_of, docker, worker_of
from tests.support.registry import Registry, registry
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until


@pytest.fixture
def serving() -> Iterator[Registry]:
    """A registry whose image no engine has."""
    with registry(Path(str(shutil.which("busybox")))) as serving:
        yield serving
        if docker("images", "--quiet", serving.image).strip():
            docker("rmi", serving.image)


def test_it_is_fetched_when_it_is_missing_and_not_again(api: Api, serving: Registry) -> None:
    job_id = api.create({"command": "echo fetched", "containerImage": serving.image})["jobId"]
    until(lambda: any(path.endswith(serving.layer) for path in serving.asked), "its layer is asked for")
    assert api.job(job_id)["status"] == "running"
    until(lambda: str(phase(api, job_id)).startswith("pulling its image, "), "people see how far it is", 10)
    serving.go.set()
    assert api.wait_ended([job_id], within=20)[0]["status"] == "completed"
    assert phase(api, job_id) is None
    assert api.output(job_id) == b"fetched\n"
    before = len(serving.asked)
    again = api.create({"command": "true", "containerImage": serving.image})["jobId"]
    assert api.wait_ended([again], within=20)[0]["status"] == "completed"
    assert len(serving.asked) == before, "it is there"
    always = api.create({"command": "true", "containerImage": serving.image, "pull": "always"})["jobId"]
    assert api.wait_ended([always], within=20)[0]["status"] == "completed"
    assert len(serving.asked) > before, "it was asked whether there is a newer one"


def test_never_asks_nobody(api: Api, serving: Registry) -> None:
    job_id = api.create({"command": "true", "containerImage": serving.image, "pull": "never"})["jobId"]
    assert api.wait_ended([job_id], within=20)[0]["reason"] == "image"
    assert serving.asked == []


def test_a_job_that_is_cancelled_while_its_image_comes_never_ran(
    api: Api, serving: Registry, system: tuple[Server, Worker]
) -> None:  # fmt: skip
    job_id = api.create({"command": "true", "containerImage": serving.image})["jobId"]
    until(lambda: any(path.endswith(serving.layer) for path in serving.asked), "its layer is asked for")
    assert api.cancel(job_id)["outcome"] == "asked"
    job = api.wait_status(job_id, "cancelled")
    assert api.output(job_id) == b""
    assert job["confirmed"] is True
    assert not containers_of(system[1])


def test_a_registry_that_falls_silent_holds_no_slot(
    api: Api, serving: Registry, system: tuple[Server, Worker]
) -> None:  # fmt: skip
    impatient = worker_of(system[0], "impatient", PULL_SILENCE_SEC="1s", LABELS="patience=none")
    with ends(impatient):
        impatient.start(api)
        job = {"command": "true", "containerImage": serving.image, "requires": {"patience": "none"}}
        ended = api.wait_ended([api.create(job)["jobId"]], within=20)[0]
        assert (ended["status"], ended["reason"]) == ("failed", "image")
        assert f"{serving.image}: nothing was heard of it for 1 s (PULL_SILENCE_SEC)" in ended["message"]
        assert impatient.stop() == 0


def phase(api: Api, job_id: str) -> object:
    """What is being done for the job before it can be started."""
    return api.job(job_id).get("phase")
