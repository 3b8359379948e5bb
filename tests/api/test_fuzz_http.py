"""Workers that say anything at all over HTTP, as `test_fuzz.py` has it of sockets."""

import http.client
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bad.fuzz import WORKERS_POSTS, Fuzz
from tests.api.bad.row import JOB
from tests.api.bad.walks import odd_steps, runs_jobs
from tests.support.server import Running, running

TIMES = 200
SEED = 20_260_301

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, LEASE_SEC="5m", UPGRADE_TIMEOUT_SEC="10s") as run:
        yield run


def test_as_many_requests_of_workers_do_no_harm(server: Running) -> None:
    """The same over HTTP, two hundred times each: an answer to every one, and none of them a fault of the server."""
    api, rng = server.api("operator"), random.Random(SEED)
    bait = api.create_many([{"command": "true"}] * 50)
    fuzz = Fuzz(rng, [(JOB, 1), *((job_id, attempt) for job_id in bait for attempt in (1, 1, 2))])
    headers = {"x-worker-token": server.shared(workerId="fuzz-http"), "Content-Type": "application/json"}
    odd: list[object] = []
    connection = http.client.HTTPConnection("127.0.0.1", server.process.port, timeout=30)
    for operation, path in WORKERS_POSTS.items():
        for number in range(TIMES):
            if number % 100 == 0:
                for method, way, said in (
                    ("POST", "/api/workers/register", b'{"slots":4,"session":"http","instanceId":"http"}'),
                    ("POST", "/api/workers/heartbeat", b'{"jobs":[]}'), ("GET", "/api/jobs/get-job?max=4", None),
                ):  # fmt: skip
                    connection.request(method, way, said, headers)
                    given = json.loads(connection.getresponse().read() or b"{}").get("jobs", [])
                fuzz.jobs += [(job["jobId"], job["attempt"]) for job in given] * 10
            body = json.dumps(fuzz.item(operation, broken=number % 2 == 1)).encode()
            sent = fuzz.noisy(body) if number % 4 == 3 else body
            connection.request("POST", path, sent, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"{}")
            if answer.status not in (200, 400, 403, 404, 409, 413, 422, 426) or (answer.status >= 400) != (
                "error" in told
            ):
                odd.append((operation, sent[:300], answer.status, told))
    connection.close()
    assert odd == []
    assert [(job["jobId"], step) for job in api.jobs(bait) for step in odd_steps(job)] == []
    runs_jobs(server)
