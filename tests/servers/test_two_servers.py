"""Two servers behind one store are one: what is done at one of them counts, and is seen, at the other."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.pair import Pair
from tests.support.api import Api, ApiError
from tests.support.system import EMAIL, Worker, ends, workers
from tests.support.waiting import until


@pytest.fixture(scope="module")
def worker(pair: Pair) -> Iterator[Worker]:
    """Connected to `a`, with one slot."""
    worker = pair.worker(pair.a, "far", slots=1)
    with ends(worker):
        worker.start(pair.a.api())
        yield worker


@pytest.fixture
def apis(pair: Pair, worker: Worker) -> tuple[Api, Api]:
    """Of `a`, where the worker is, and of `b`."""
    a, b = pair.apis()
    until(lambda: state_of(b, worker.name) == "online", "b knows of the worker", pair.soon)
    return a, b


def shown(api: Api, name: str) -> dict[str, Any]:
    """The worker as that server lists it, but for what every look changes."""
    (found,) = [one for one in workers(api) if one["name"] == name]
    return {key: value for key, value in found.items() if key not in ("lastSeenAt", "load")}


def state_of(api: Api, name: str) -> str:
    return str(shown(api, name)["state"])


class Following:
    """Reads the output of a job at one server as it comes."""

    def __init__(self, api: Api, job_id: str) -> None:
        self.got = bytearray()
        self.whole = threading.Event()
        self._connection = http.client.HTTPConnection(api.host, api.port, timeout=60)
        self._connection.request(
            "GET", f"/api/jobs/{job_id}/output?follow=1", headers={"Authorization": f"Bearer {api.token}"}
        )
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        answer = self._connection.getresponse()
        while piece := answer.read1(65536):
            self.got += piece
        self._connection.close()
        self.whole.set()


def test_a_job_of_b_runs_on_a_worker_of_a_and_is_followed_at_both_as_it_goes(
    pair: Pair, apis: tuple[Api, Api], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two"
    job = apis[1].create({"command": command})
    following = [Following(api, job["jobId"]) for api in apis]
    for one in following:
        until(lambda one=one: one.got == b"one\n", "the first line is there while the job runs", pair.soon)
    go.touch()
    for one in following:
        until(one.whole.is_set, "it has come to its end", pair.soon)
        assert one.got == b"one\ntwo\n"
    for api in apis:
        assert api.job(job["jobId"])["status"] == "completed"
        assert api.output(job["jobId"]) == b"one\ntwo\n"


def test_a_job_of_a_is_cancelled_at_b(pair: Pair, apis: tuple[Api, Api]) -> None:
    a, b = apis
    job = a.create({"command": "sleep 60"})
    b.wait_status(job["jobId"], "running", within=pair.soon)
    b.cancel(job["jobId"])
    a.wait_status(job["jobId"], "cancelled", within=pair.soon + 1)


def test_both_show_the_same_worker_and_say_the_same_of_what_waits_for_it(pair: Pair, apis: tuple[Api, Api]) -> None:
    a, b = apis
    guessed = set() if pair.redis is not None else {"transport"}  # without a word from a, b does not know that

    def alike() -> bool:
        here, there = shown(a, "far"), shown(b, "far")
        return all(here[key] == there[key] for key in here if key not in guessed)

    until(alike, "both show the same", pair.soon)
    job_ids = [b.create({"command": "sleep 60"})["jobId"]]
    b.wait_status(job_ids[0], "running", within=pair.soon)
    job_ids.append(b.create({"command": "true"})["jobId"])
    try:
        until(lambda: shown(b, "far")["freeSlots"] == 0, "b knows that its slot is taken", pair.soon)
        until(
            lambda: b.job(job_ids[1])["waitingFor"] == a.job(job_ids[1])["waitingFor"], "both say the same", pair.soon
        )
        assert "far" in b.job(job_ids[1])["waitingFor"]
        assert "not connected" not in b.job(job_ids[1])["waitingFor"]
    finally:
        for job_id in reversed(job_ids):
            b.cancel(job_id)
            a.wait_status(job_id, "cancelled", within=pair.soon + 1)


def test_a_worker_of_a_is_drained_at_b_and_takes_jobs_again(pair: Pair, apis: tuple[Api, Api]) -> None:
    a, b = apis
    worker_id = shown(b, "far")["workerId"]
    b.ask("PATCH", f"/api/workers/{worker_id}", {"draining": True})
    until(lambda: state_of(a, "far") == "draining", "a drains it", pair.soon)
    job = b.create({"command": "true"})
    until(lambda: state_of(b, "far") == "draining", "b shows so", pair.soon)
    assert a.job(job["jobId"])["status"] == "queued"
    b.ask("PATCH", f"/api/workers/{worker_id}", {"draining": False})
    a.wait_status(job["jobId"], "completed", within=pair.soon)


def test_a_login_of_a_counts_at_b_and_ends_there_too(pair: Pair) -> None:
    a, b = Api(pair.a.url), Api(pair.b.url)
    a.login(EMAIL, pair.a.password)
    b.token = a.token
    assert b.ask("GET", "/api/workers/list")["workers"] is not None
    a.ask("POST", "/api/auth/logout", {})
    until(lambda: b.call("GET", "/api/workers/list")[0] == 401, "b knows that it has ended", pair.soon)


def test_what_one_user_submits_at_both_is_counted_together(pair: Pair) -> None:
    if pair.redis is None:
        assert "redis" not in pair.a.api().ask("GET", "/api/health")["checks"]
        return
    a, b = pair.apis()
    a.ask("POST", "/api/users", {"email": "many@test", "password": "a-long-passphrase-9", "role": "operator"})
    for api in (a, b):
        assert api.ask("GET", "/api/health")["checks"]["redis"] == "ok"
        api.login("many@test", "a-long-passphrase-9")
    later = {"command": "true", "runAt": "2099-01-01T00:00:00Z"}
    for _ in range(20):
        a.create(later)
        b.create(later)
    for api in (a, b):
        with pytest.raises(ApiError) as refused:
            api.create(later)
        assert (refused.value.status, refused.value.error["code"]) == (429, "too_many")


def test_a_worker_of_a_is_revoked_at_b_and_ends_at_once(pair: Pair) -> None:
    a, b = pair.apis()
    fired = pair.worker(pair.a, "fired", LABELS="kind=none").start(a)
    with ends(fired):
        b.ask("DELETE", f"/api/workers/{shown(b, 'fired')['workerId']}")
        assert fired.wait(pair.soon + 2) == 4, "as its server told it"
    assert [state_of(api, "fired") for api in (a, b)] == ["revoked", "revoked"]
