"""What a worker without a socket brings, output and results: each answer by its status, and nothing stored twice."""

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.poller import Poller, Ref, ref
from tests.support.server import Running, running

NAMES = itertools.count(1)
LIMIT = 1024 * 1024
NOBODYS = {"jobId": "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f", "attempt": 1}


@pytest.fixture(scope="module")
def polled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("results"), MAX_OUTPUT_BYTES=str(LIMIT)) as run:
        yield run


@pytest.fixture
def worker(polled: Running) -> Poller:
    one = Poller(polled, f"poller-{next(NAMES)}")
    one.register()
    return one


@pytest.fixture
def job(polled: Running, worker: Poller) -> Iterator[Ref]:
    """One that runs with it."""
    polled.api().create({"command": "true"})
    (job,) = worker.take()
    yield job
    worker.result(job)


def error(answer: Any) -> tuple[str, Any]:
    return answer["error"]["code"], answer["error"].get("expected")


def test_output_is_answered_with_how_far_it_is_stored(polled: Running, worker: Poller, job: Ref) -> None:
    stored = worker.send(job, ("stdout", 0, b"one"), ("stderr", 0, b"two"), ("stdout", 3, b"three"))
    assert stored == (200, {"acknowledged": {"stdout": 8, "stderr": 3}})
    assert polled.api().output(job["jobId"]) == b"onethree"
    assert worker.send(job, ("stdout", 3, b"three")) == stored, "again"
    assert worker.send(job) == stored, "a question"
    status, answer = worker.send(job, ("stdout", 9, b"x"))
    assert (status, *error(answer)) == (409, "output_gap", {"stdout": 8, "stderr": 3})
    status, answer = worker.send(job, ("stdout", 8, b"!"), ("stderr", 5, b"x"), ("stdout", 9, b"?"))
    assert (status, *error(answer)) == (409, "output_gap", {"stdout": 10, "stderr": 3})
    assert polled.api().output(job["jobId"]) == b"onethree!?"
    assert polled.api().output(job["jobId"], "stderr") == b"two"


def test_output_beyond_the_limit_is_507_and_the_result_is_taken(polled: Running, worker: Poller, job: Ref) -> None:
    assert worker.send(job, ("stdout", 0, b"x" * LIMIT))[0] == 200
    status, answer = worker.send(job, ("stdout", LIMIT, b"y"))
    assert (status, *error(answer)) == (507, "output_limit", None)
    status, view = worker.result(job, output={"stdout": {"bytes": LIMIT + 1}})
    assert (status, view["status"], view["output"]["stdout"]["whole"]) == (200, "completed", False)


def test_output_of_what_has_not_begun_and_of_others_is_409(polled: Running, worker: Poller) -> None:
    polled.api().create({"command": "true"})
    (job,) = worker.take(claim="a")
    status, answer = worker.send(job, ("stdout", 0, b"x"))
    assert (status, error(answer)[0]) == (409, "not_started")
    other = Poller(polled, f"poller-{next(NAMES)}")
    other.register()
    for one, sent in ((other, job), (worker, NOBODYS)):
        status, answer = one.send(sent, ("stdout", 0, b"x"))
        assert (status, *error(answer)) == (409, "stale_attempt", None)
        status, answer = one.result(sent)
        assert (status, *error(answer)) == (409, "stale_attempt", None)
        assert one.check(sent) == {"stop": True, "reason": "stale"}
    assert worker.result(job)[0] == 200


def test_output_after_the_end_is_dropped(polled: Running, worker: Poller, job: Ref) -> None:
    worker.result(job)
    status, answer = worker.send(job, ("stdout", 0, b"late"))
    assert (status, error(answer)[0]) == (409, "stale_attempt")
    assert polled.api().output(job["jobId"]) == b""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("named", "whole", "code"),
    [
        ({}, None, None),
        ({"bytes": 4}, True, None),
        ({"bytes": 4, "digest": digest(b"four")}, True, None),
        ({"bytes": 4, "digest": digest(b"five")}, False, None),
        ({"bytes": 3}, False, None),
        ({"bytes": 6}, None, "output_missing"),
    ],
)
def test_whether_it_is_whole(worker: Poller, job: Ref, named: dict[str, Any], whole: Any, code: str | None) -> None:
    worker.send(job, ("stdout", 0, b"four"))
    status, answer = worker.result(job, output={"stdout": named}, exitCode=7)
    if code is not None:
        assert (status, *error(answer)) == (409, code, {"stdout": 4, "stderr": 0})
        assert worker.send(job, ("stdout", 4, b"56"))[0] == 200
        status, answer = worker.result(job, output={"stdout": named}, exitCode=7)
        whole = True
    assert (status, answer["status"], answer["exitCode"]) == (200, "failed", 7)
    assert answer["output"]["stdout"]["whole"] is whole


def test_a_result_is_taken_once_and_answered_alike_when_it_is_repeated(worker: Poller, job: Ref) -> None:
    first = worker.result(job, signal=9, reason="signal")
    assert (first[0], first[1]["signal"], first[1]["reason"]) == (200, 9, "signal")
    again = worker.result(job, signal=9, reason="signal")
    assert (again[0], again[1]["finishedAt"]) == (200, first[1]["finishedAt"])
    status, answer = worker.result(job, exitCode=3)
    assert (status, *error(answer)) == (409, "conflict", {"attempt": 1, "status": "failed"})
    status, answer = worker.result(job | {"attempt": 2})
    assert (status, *error(answer)) == (409, "stale_attempt", {"attempt": 1, "status": "failed"})


def test_a_list_of_results_is_told_item_by_item(polled: Running, worker: Poller, job: Ref) -> None:
    results = [ref(job) | {"exitCode": 0, "output": {"stdout": {"bytes": 2}}}, NOBODYS | {"exitCode": 0}]
    told = worker.ok("POST", "/api/jobs/submit-result", results)
    assert [(one["tell"], one.get("code")) for one in told] == [("resend", "output_missing"), ("stop", "not_found")]
    assert (told[0]["stdout"], told[0]["stderr"]) == (0, 0)
    results[0]["inline"] = {"stdout": "b2s="}
    assert worker.ok("POST", "/api/jobs/submit-result", results)[0] == ref(job) | {"tell": "ok"}
    assert polled.api().output(job["jobId"]) == b"ok"


def test_a_heartbeat_without_a_body_and_one_that_asks_and_gives_back(polled: Running, worker: Poller) -> None:
    headers = worker.headers
    status, _, body = Api(polled.url).call("POST", "/api/workers/heartbeat", None, headers)
    assert status == 200, body
    names = {"leaseSec", "heartbeatSec", "stop", "cancel", "held", "start", "released"}
    assert worker.ok("POST", "/api/workers/heartbeat", {}).keys() == names
    polled.api().create({"command": "true"})
    (job,) = worker.take(claim="b")
    (told,) = worker.beat(job, start=[ref(job)])["start"]
    assert (told["tell"], polled.api().job(job["jobId"])["status"]) == ("go", "running")
    answer = worker.beat(NOBODYS, released=[ref(job) | {"why": "neverSpawned"}])
    assert [one["tell"] for one in answer["released"]] == ["ok"]
    assert (answer["stop"], answer["held"][0]["code"]) == ([NOBODYS], "not_found")
    (again,) = worker.take()
    assert (again["jobId"], again["attempt"]) == (job["jobId"], 2)
    worker.result(again)


def test_who_was_replaced_is_told_so_if_it_says_who_it_is(polled: Running) -> None:
    name = f"poller-{next(NAMES)}"
    old = Poller(polled, name, **{"x-worker-instance": "one"})
    new = Poller(polled, name, **{"x-worker-instance": "two"})
    old.register(session="s", instanceId="one")
    assert old.beat()
    new.register(session="s", instanceId="two")
    assert new.beat()
    for method, path in (("POST", "/api/workers/heartbeat"), ("GET", "/api/jobs/get-job")):
        status, answer = old.call(method, path, {} if method == "POST" else None)
        assert (status, *error(answer)) == (409, "replaced", None)
    status, answer = old.call("POST", "/api/workers/register", {"session": "s", "instanceId": "one"})
    assert (status, *error(answer)) == (409, "replaced", None)
