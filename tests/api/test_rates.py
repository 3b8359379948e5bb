"""How often somebody may do what: heartbeats of a worker, submissions of a user, new workers from one address."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from cmdexec import connect
from cmdexec.server.identity.workers import hash_of
from tests.support import cli
from tests.support.api import Api
from tests.support.poller import Poller, ref
from tests.support.server import Running, running
from tests.support.speaker import speaking
from tests.support.system import workers
from tests.support.waiting import until

LEASE_SEC = 1.2
WINDOW_SEC = 2
SHORT = {"LEASE_SEC": f"{LEASE_SEC}", "HEARTBEAT_SEC": "300ms", "LEASE_SWEEP_SEC": "50ms", "SEEN_SAVE_SEC": "100ms"}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A window that is longer than all tests, so that all counts are exact."""
    limits = {"RATE_LIMIT_WINDOW_MS": "600000", "RATE_LIMIT_MAX_HEARTBEAT": "50", "RATE_LIMIT_MAX_JOBS": "5"}
    with running(tmp_path_factory.mktemp("bounded"), **SHORT, **limits) as run:
        yield run


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A window that one can wait for."""
    limits = {"RATE_LIMIT_WINDOW_MS": f"{WINDOW_SEC}s", "RATE_LIMIT_MAX_JOBS": "2"}
    with running(tmp_path_factory.mktemp("brief"), **limits) as run:
        yield run


def spend(worker: Poller, **said: Any) -> list[int]:
    """The statuses of as many heartbeats as are good in a window."""
    return [worker.call("POST", "/api/workers/heartbeat", said)[0] for _ in range(50)]


def submitted(api: Api, body: Any) -> tuple[int, dict[str, str], Any]:
    status, headers, answer = api.call("POST", "/api/jobs/create", body)
    return status, headers, json.loads(answer)


@pytest.mark.parametrize("at_once", [1, 20])
def test_of_a_hundred_heartbeats_fifty_are_good_and_the_job_goes_on(bounded: Running, at_once: int) -> None:
    """One after the other, and side by side. What is too often keeps the lease of worker and job, for longer than that
    lasts by itself."""
    worker = Poller(bounded, f"often-{at_once}")
    worker.register()
    api = bounded.api("admin" if at_once == 1 else "operator")
    api.create({"command": "true"})
    (job,) = worker.take()

    def beat(_number: int) -> int:
        return worker.call("POST", "/api/workers/heartbeat", {"jobs": [ref(job)]})[0]

    with ThreadPoolExecutor(at_once) as threads:
        statuses = Counter(threads.map(beat, range(100)))
    assert statuses == {200: 50, 429: 50}
    began = bounded.now()
    over = until(lambda: beat(0) == 429 and bounded.now() > began + 2 * LEASE_SEC, "two leases have passed", step=0.1)
    assert over
    assert api.job(job["jobId"])["status"] == "running"
    assert next(one["state"] for one in workers(bounded.api()) if one["workerId"] == worker.name) == "online"
    status, told = worker.result(job)
    assert (status, told["status"]) == (200, "completed")


def test_one_too_many_says_so_and_drops_the_statistics_alone(bounded: Running) -> None:
    worker = Poller(bounded, "statistics")
    worker.register()
    assert set(spend(worker, stats={"cpu": 0.25})) == {200}
    status, headers, body = Api(bounded.url).call(
        "POST", "/api/workers/heartbeat", {"stats": {"cpu": 0.75}}, worker.headers
    )
    error = json.loads(body)["error"]
    left = int(headers["ratelimit"].rpartition("=")[2])
    assert (status, error["code"], error.keys()) == (429, "too_many", {"code", "message", "mend"})
    assert headers["retry-after"] == "1", "no longer than between two heartbeats, in whole seconds"
    assert error["message"] == "Too many heartbeats of one worker over HTTP: 50 in 600 s are taken."
    assert error["mend"].startswith("Try again in 1 s. The lease is renewed all the same,")
    assert 0 < left <= 600
    assert headers["ratelimit-policy"] == '"heartbeats";q=50;w=600'
    assert headers["ratelimit"] == f'"heartbeats";r=0;t={left}'
    shown = next(one for one in workers(bounded.api()) if one["workerId"] == worker.name)
    assert shown["load"]["cpu"] == 0.25


def test_beyond_the_bound_jobs_are_started_given_back_and_cancelled(bounded: Running) -> None:
    worker = Poller(bounded, "goes-on")
    worker.register(2)
    first, second = bounded.api("operator").create_many([{"command": "true"}] * 2)
    jobs = worker.take(claim="a", max=2)
    assert [job["jobId"] for job in jobs] == [first, second]
    assert set(spend(worker)) == {200}
    assert worker.call("POST", "/api/workers/heartbeat", {})[0] == 429
    told = worker.ok("POST", "/api/workers/heartbeat", {"start": [ref(jobs[0])]})
    assert [one["tell"] for one in told["start"]] == ["go"]
    back = {**ref(jobs[1]), "why": "handedBack"}
    assert worker.ok("POST", "/api/workers/heartbeat", {"released": [back]})["released"]
    assert bounded.api().cancel(second)["outcome"] == "cancelled"
    bounded.api().cancel(first)
    for said in ({}, {"jobs": [ref(jobs[0])]}):
        status, told = worker.call("POST", "/api/workers/heartbeat", said)
        assert (status, told["cancel"], told["leaseSec"]) == (429, [ref(jobs[0])], LEASE_SEC)
    assert worker.check(jobs[0]) == {"stop": True, "reason": "cancelled"}
    _, given = worker.poll(wait=5, claim="b")
    assert given["cancel"] == [ref(jobs[0])], "nor does an order go away with a 429, whose body need not be read"


def test_a_worker_is_counted_by_itself_whatever_its_address(bounded: Running) -> None:
    one, other = Poller(bounded, "one"), Poller(bounded, "other")
    for worker in (one, other):
        worker.register()
        assert set(spend(worker)) == {200}
    assert one.call("POST", "/api/workers/heartbeat", {})[0] == 429


async def test_heartbeats_over_a_socket_are_never_counted(bounded: Running) -> None:
    async with speaking(bounded.url, {"x-worker-token": bounded.shared(workerId="socket")}) as speaker:
        await speaker.ask("register", {"slots": 1})
        for _ in range(60):
            (answer,) = await speaker.ask("heartbeat", {"jobs": []})
            assert answer["leaseSec"] == LEASE_SEC


def test_submissions_are_counted_by_user_and_a_list_once(bounded: Running) -> None:
    """Whatever becomes of them, but for those that nobody may make; no answer of another kind says how often."""
    another = {"email": "another@test", "role": "operator", "password": "rather long a password"}
    bounded.api().ask("POST", "/api/users", another)
    viewer, operator = bounded.api("viewer"), Api(bounded.url)
    operator.login(another["email"], another["password"])
    waiting = []
    for left in (4, 3):
        status, headers, answer = submitted(operator, [{"command": "true"}] * 3)
        waiting += [job["jobId"] for job in answer["jobs"]]
        assert (status, headers["ratelimit-policy"]) == (200, '"jobs";q=5;w=600')
        assert headers["ratelimit"].startswith(f'"jobs";r={left};t=')
    made = submitted(operator, {"command": "true"})[2]["jobId"]
    assert submitted(operator, {"command": 3})[0] == 422
    status, headers, body = operator.call("POST", f"/api/jobs/{made}/rerun", {})
    waiting += [made, json.loads(body)["jobId"]]
    assert (status, headers["ratelimit"][:13]) == (200, '"jobs";r=0;t=')
    for path in ("/api/jobs/create", f"/api/jobs/{made}/rerun"):
        status, headers, body = operator.call("POST", path, b"{" * 100_000)
        assert (status, json.loads(body)["error"]["code"]) == (429, "too_many"), "it is not even read"
        assert json.loads(body)["error"]["message"] == "Too many submissions of one user: 5 in 600 s are taken."
    assert submitted(viewer, {"command": "true"})[0] == 403
    assert "ratelimit" not in operator.call("GET", f"/api/jobs/status?jobId={made}")[1]
    bounded.api().ask("POST", "/api/jobs/cancel", {"jobId": waiting})


def test_the_command_line_and_the_python_client_wait_it_out(brief: Running, tmp_path: Path) -> None:
    api = brief.api("operator")
    before = until(lambda: _first_of_a_window(api), "one has begun", 10, step=0.05)
    assert submitted(api, {"command": "true"})[0] == 200
    token = {"CMDEXEC_TOKEN": brief.tokens["operator"], "SERVER_URL": brief.url}
    done = cli.run(tmp_path, ["submit", "--json", "--", "true"], token)
    assert done.code == 0, done
    with connect(server_url=brief.url, token=brief.tokens["operator"]) as connection:
        last = [connection.submit(["true"]).id for _ in range(2)]
    moments = [_born(api, job_id) for job_id in (before, json.loads(done.stdout)["jobId"], *last)]
    assert moments[1] - moments[0] >= WINDOW_SEC - 0.1
    assert moments[3] - moments[1] >= WINDOW_SEC - 0.1, "two are good in each window"


def _first_of_a_window(api: Api) -> str | None:
    """A job whose submission was the first one of its window."""
    _, headers, answer = submitted(api, {"command": "true"})
    return answer["jobId"] if headers["ratelimit"].startswith('"jobs";r=1;') else None


def _born(api: Api, job_id: str) -> float:
    return datetime.fromisoformat(api.job(job_id)["createdAt"]).timestamp()


def test_a_window_ends_by_itself(brief: Running) -> None:
    api = brief.api("admin")

    def statuses() -> list[int]:
        return [submitted(api, {"command": "true"})[0] for _ in range(3)]

    assert statuses() == [200, 200, 429]
    until(lambda: submitted(api, {"command": "true"})[0] == 200, "the next window has begun", 10, step=0.05)
    assert [submitted(api, {"command": "true"})[0] for _ in range(2)] == [200, 429]


@pytest.fixture
def enrolling(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, RATE_LIMIT_MAX_REGISTER="3", RATE_LIMIT_WINDOW_MS="600000") as run:
        yield run


async def test_new_workers_are_counted_by_address_and_known_ones_never(enrolling: Running) -> None:
    run = enrolling
    made = run.api().ask("POST", "/api/join-tokens", {"uses": 100})["token"]

    def join(mine: str) -> int:
        shown = {"token": made, "credentialHash": hash_of(mine)}
        return Api(run.url).call("POST", "/api/workers/join", shown)[0]

    first, second, third = (Poller(run, f"new-{number}") for number in range(3))
    joined = f"wc_{uuid4().hex}"
    assert [first.call("POST", "/api/workers/register", {"slots": 1})[0] for _ in range(3)] == [200] * 3
    assert [join(joined) for _ in range(3)] == [200] * 3, "the same again is no new one"
    async with speaking(run.url, second.headers) as speaker:
        assert (await speaker.ask("register", {"slots": 1}))[0]["workerId"] == "new-1"
    status, told = third.call("POST", "/api/workers/register", {"slots": 1})
    said = "Too many new workers from one address: 3 in 600 s are taken."
    assert (status, told["error"]["message"]) == (429, said)
    assert join(f"wc_{uuid4().hex}") == 429
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with speaking(run.url, third.headers):
            pass
    assert (refused.value.status, "Retry-After" in (refused.value.headers or {})) == (429, True)
    for known in (first, second):
        assert known.call("POST", "/api/workers/register", {"slots": 1})[0] == 200
    own = run.headers("worker")
    assert Api(run.url).call("POST", "/api/workers/register", {"slots": 1}, own)[0] == 200, "joined before"
    assert join(joined) == 200
    run.process.kill9()
    run.process.start()
    assert [one.call("POST", "/api/workers/register", {"slots": 1})[0] for one in (first, second)] == [200, 200]
