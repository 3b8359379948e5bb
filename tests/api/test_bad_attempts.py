"""What a worker without a socket says of attempts that are not its own: refused one by one, and no job changes."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.bad.row import JOB
from tests.support.api import Api
from tests.support.server import Running, running

NOT_LAST = "Attempt 2 does not hold this job; attempt 1 is its last."
NOT_ITS = "Attempt 1 of this job is not this worker's."
DROPPED = "This attempt has ended, or is not this worker's; its output is dropped."
OTHERWISE = "Attempt 1 has ended with another result."
NO_JOB = "There is no such job."
FORGET = "End this attempt and forget it."

RESULTS: tuple[tuple[str, str, int, str, str, dict[str, Any] | None], ...] = (
    # who, whose attempt of which job, code and message of a result; `expected` is for who the job belongs to
    ("another worker", "running", 1, "stale_attempt", NOT_ITS, None),
    ("another worker", "running", 2, "stale_attempt", NOT_LAST, None),
    ("another worker", "ended", 1, "conflict", OTHERWISE, None),
    ("another worker", "ended", 2, "stale_attempt", NOT_LAST, None),
    ("another worker", "nowhere", 1, "stale_attempt", NO_JOB, None),
    ("worker", "running", 2, "stale_attempt", NOT_LAST, {"attempt": 1, "status": "running"}),
    ("worker", "ended", 1, "conflict", OTHERWISE, {"attempt": 1, "status": "failed"}),
    ("worker", "ended", 2, "stale_attempt", NOT_LAST, {"attempt": 1, "status": "failed"}),
    ("worker", "nowhere", 1, "stale_attempt", NO_JOB, None),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One of its own: no other jobs wait there."""
    with running(tmp_path_factory.mktemp("attempts")) as run:
        yield run


@pytest.fixture(scope="module")
def jobs(server: Running) -> dict[str, str]:
    """A job that runs on `worker`, one that has ended there, and one that is nowhere."""
    api = server.api("operator")
    for who in ("worker", "another worker"):
        assert say(server, who, "/api/workers/register", slots=2, session=who[:3], instanceId="http")[0] == 200
        assert say(server, who, "/api/workers/heartbeat", jobs=[])[0] == 200
    made = {"ended": api.create({"command": "1"})["jobId"], "running": api.create({"command": "2"})["jobId"]}
    given: set[str] = set()
    while not given >= set(made.values()):
        path = "/api/jobs/get-job?wait=10&max=2"
        status, _, body = Api(server.url).call("GET", path, None, server.headers("worker"))
        assert status == 200, body
        given |= {job["jobId"] for job in json.loads(body)["jobs"]}
    assert say(server, "worker", "/api/jobs/submit-result", jobId=made["ended"], attempt=1, exitCode=3)[0] == 200
    return made | {"nowhere": JOB}


def say(server: Running, who: str, path: str, **said: Any) -> tuple[int, dict[str, Any]]:
    status, _, body = Api(server.url).call("POST", path, said, server.headers(who))
    answer: dict[str, Any] = json.loads(body)
    return status, answer


@pytest.mark.parametrize(("who", "name", "attempt", "code", "message", "expected"), RESULTS)
def test_attempts_of_others(
    server: Running, jobs: dict[str, str], who: str, name: str, attempt: int, code: str, message: str,
    expected: dict[str, Any] | None,
) -> None:  # fmt: skip
    job_id, api = jobs[name], server.api("operator")
    before = api.job(job_id) if name != "nowhere" else {}
    about = {"jobId": job_id, "attempt": attempt}
    error: dict[str, Any] = {"code": code, "message": message, "mend": FORGET}
    if expected is not None:
        error["expected"] = expected
    assert say(server, who, "/api/jobs/submit-result", **about, exitCode=0) == (409, {"error": error})
    dropped = {"code": "stale_attempt", "message": DROPPED, "mend": FORGET}
    piece = {"stream": "stdout", "offset": 0, "data": base64.b64encode(b"x").decode()}
    assert say(server, who, "/api/jobs/stream-output", **about, chunks=[piece]) == (409, {"error": dropped})
    check = f"/api/jobs/check-cancel?jobId={job_id}&attempt={attempt}"
    status, _, body = Api(server.url).call("GET", check, None, server.headers(who))
    assert (status, json.loads(body)) == (200, {"stop": True, "reason": "stale"})
    status, beat = say(server, who, "/api/workers/heartbeat", start=[about])
    assert (status, [told["tell"] for told in beat["start"]]) == (200, ["stop"])
    after = api.job(job_id) if name != "nowhere" else {}
    assert {**after, "history": None} == {**before, "history": None}
    assert {line["event"] for line in after.get("history", [])[len(before.get("history", [])) :]} <= {"superseded"}


def test_output_that_leaves_a_gap_and_a_result_that_comes_too_early(server: Running, jobs: dict[str, str]) -> None:
    about, stored = {"jobId": jobs["running"], "attempt": 1}, {"stdout": 0, "stderr": 0}
    piece = {"stream": "stdout", "offset": 5, "data": "eA=="}
    assert say(server, "worker", "/api/jobs/stream-output", **about, chunks=[piece]) == (409, {"error": {
        "code": "output_gap", "message": "Output is missing before this piece.",
        "mend": "Send it from these offsets on.", "expected": stored,
    }})  # fmt: skip
    early = say(server, "worker", "/api/jobs/submit-result", **about, exitCode=0, output={"stdout": {"bytes": 9}})
    assert early == (409, {"error": {
        "code": "output_missing", "message": "Output is missing.",
        "mend": "Send it from these offsets on, then the result again.", "expected": stored,
    }})  # fmt: skip
    assert server.api().job(jobs["running"])["status"] == "running"


def test_who_has_not_registered_is_told_so(server: Running) -> None:
    token = {"x-worker-token": server.shared(workerId="never-seen")}
    for path, body in (
        ("/api/workers/heartbeat", {}), ("/api/jobs/stream-output", {"jobId": JOB, "attempt": 1}),
        ("/api/jobs/submit-result", {"jobId": JOB, "attempt": 1}),
    ):  # fmt: skip
        status, _, answer = Api(server.url).call("POST", path, body, token)
        assert (status, json.loads(answer)) == (409, {"error": {
            "code": "not_registered", "message": "This worker has not registered.",
            "mend": "Send POST /api/workers/register first.",
        }})  # fmt: skip
