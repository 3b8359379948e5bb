"""Rerun makes a new job of an older one; requeue runs a job again whose fate is not known, if whoever asks says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, ApiError
from tests.support.server import Running, running
from tests.support.speaker import speaking
from tests.support.system import EMAIL

SPEC: dict[str, Any] = {
    "command": ["sh", "-c", "cat; exit 3"], "name": "again", "env": {"A": "b"}, "stdin": "aGk=", "tags": ["x"],
    "timeoutSec": 5, "maxRetries": 2, "retryOn": ["exit:75"], "backoff": {"firstSec": 2, "maxSec": 9}, "priority": 3,
    "requires": {"rerun": "nobody has it"}, "onLost": "requeue", "maxLost": 1, "ttlSec": 600, "killGraceSec": 1,
    "containerImage": "alpine:3.20", "network": "bridge", "pull": "never", "user": "1000:1000",
}  # fmt: skip
CONTAINER = ("containerImage", "network", "pull", "user")
OWN = {
    "jobId", "createdAt", "queuedAt", "rerunOf", "history", "status", "finishedAt", "message", "confirmed",
    "cancelRequested", "waitingFor", "waitingMend", "owner",
}  # fmt: skip


def rerun(api: Api, job_id: str, key: str | None = None) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else None
    answer: dict[str, Any] = api.ask("POST", f"/api/jobs/{job_id}/rerun", {}, headers)
    return answer


def asked_for(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name not in OWN}


def test_a_rerun_is_a_new_job_of_all_that_the_old_one_asked_for(server: Running) -> None:
    operator, admin = server.api("operator"), server.api()
    old = operator.create(SPEC)
    again = rerun(admin, old["jobId"])
    assert again["jobId"] != old["jobId"]
    assert (again["rerunOf"], old["rerunOf"]) == (old["jobId"], None)
    assert asked_for(again) == asked_for(old)
    assert {name: old[name] for name in CONTAINER} == {name: SPEC[name] for name in CONTAINER}
    assert (old["owner"], again["owner"]) == ("operator@test", EMAIL)
    assert [(line["event"], line["who"]) for line in again["history"]] == [("submit", EMAIL)]
    admin.cancel(old["jobId"])
    assert rerun(admin, old["jobId"])["status"] == "queued", "one that has ended is run again as well"


def test_the_same_key_gives_the_same_new_job_and_is_good_for_that_job_alone(server: Running) -> None:
    api = server.api()
    old, other = (api.create(SPEC)["jobId"] for _ in range(2))
    first = rerun(api, old, "rerun-1")
    assert rerun(api, old, "rerun-1")["jobId"] == first["jobId"]
    assert rerun(api, old, "rerun-2")["jobId"] != first["jobId"]
    with pytest.raises(ApiError) as wrong:
        rerun(api, other, "rerun-1")
    assert (wrong.value.status, wrong.value.error["code"]) == (422, "key_reused")


def test_a_run_at_that_is_over_is_at_once(server: Running) -> None:
    job = server.api().create(SPEC | {"runAt": "2001-01-01T00:00:00Z"})
    assert (job["status"], job["runAt"]) == ("queued", "2001-01-01T00:00:00.000Z")
    later = server.api().create(SPEC | {"runAt": "2999-12-31T23:59:59.5-01:00"})
    assert (later["status"], later["runAt"]) == ("scheduled", "3000-01-01T00:59:59.500Z")


@pytest.mark.parametrize("what", ["rerun", "requeue"])
def test_there_has_to_be_such_a_job(server: Running, what: str) -> None:
    with pytest.raises(ApiError) as wrong:
        server.api().ask("POST", f"/api/jobs/01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f/{what}", {})
    assert (wrong.value.status, wrong.value.error["field"]) == (404, "jobId")


def test_a_job_whose_fate_is_known_is_not_requeued(server: Running) -> None:
    api = server.api()
    job_id = api.create(SPEC)["jobId"]
    with pytest.raises(ApiError) as wrong:
        api.ask("POST", f"/api/jobs/{job_id}/requeue", {"acceptDuplicate": True})
    assert (wrong.value.status, wrong.value.error["code"]) == (409, "conflict")
    assert wrong.value.error["expected"] == {"status": "queued"}
    assert wrong.value.error["mend"].startswith("It waits to be run as it is")
    api.cancel(job_id)
    with pytest.raises(ApiError) as wrong:
        api.ask("POST", f"/api/jobs/{job_id}/requeue", {"acceptDuplicate": True})
    assert wrong.value.error["expected"] == {"status": "cancelled"}
    error = wrong.value.error
    assert f"{error['message']} {error['mend']}".count("rerun makes a new job") == 1


def test_a_key_of_one_rerun_is_not_that_of_another_jobs(server: Running) -> None:
    api = server.api()
    one, other = (api.create(SPEC)["jobId"] for _ in range(2))
    headers = {"Idempotency-Key": "rerun-twice", "Authorization": f"Bearer {api.token}"}
    assert api.call("POST", f"/api/jobs/{one}/rerun", None, headers)[0] == 200
    status, _, body = api.call("POST", f"/api/jobs/{other}/rerun", None, headers)
    error = json.loads(body)["error"]
    assert (status, error["message"]) == (422, "This Idempotency-Key was used before, for another job.")


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Running]:
    """A server whose leases are over soon."""
    with running(tmp_path, LEASE_SEC="500ms", HEARTBEAT_SEC="100ms", LEASE_SWEEP_SEC="50ms") as run:
        yield run


async def test_an_unknown_job_is_run_again_once_its_owner_accepts_that_it_may_run_twice(short: Running) -> None:
    api = short.api("operator")
    job_id = api.create({"command": "true"})["jobId"]
    async with speaking(short.url, short.headers("worker")) as worker:
        assert (await worker.start_job())["jobId"] == job_id
    api.wait_status(job_id, "unknown")
    with pytest.raises(ApiError) as wrong:
        api.ask("POST", f"/api/jobs/{job_id}/requeue", {})
    assert (wrong.value.status, wrong.value.error["expected"]) == (409, {"status": "unknown", "acceptDuplicate": True})
    job = api.ask("POST", f"/api/jobs/{job_id}/requeue", {"acceptDuplicate": True})
    assert job["status"] == "queued"
    assert [(run["reason"], run["message"]) for run in job["attempts"]] == [("lost", "worker worker-1 lost, given up")]
    assert [(line["event"], line["who"]) for line in job["history"]][-1] == ("requeue", "operator@test")
    async with speaking(short.url, short.headers("another worker")) as worker:
        given = await worker.start_job()
        assert (given["jobId"], given["attempt"]) == (job_id, 2)
        assert (await worker.ask("done", {"jobId": job_id, "attempt": 2, "exitCode": 0}))[0]["tell"] == "ok"
    assert api.wait_status(job_id, "completed")["run"] == 2
