"""When and how often a job runs, with real processes: order, times, retries, lost workers, and labels."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cmdexec.clock import SystemClock
from tests.support.ledger import Ledger
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import until

SETTINGS = FAST | {"DUE_SWEEP_SEC": "50ms", "DISPATCH_CHECK_SEC": "300ms"}


class House:
    """A server, a worker of one slot, and the ledger that its jobs write."""

    def __init__(self, server: Server, worker: Worker, folder: Path) -> None:
        self.server = server
        self.worker = worker
        self.api = server.api()
        self.ledger = Ledger(folder / "ledger")
        worker.start(self.api)

    def submit(self, script: str = "", **job: Any) -> str:
        """A job that writes `begin`, does that, and writes `end`."""
        command = f"{self.ledger.says('begin')}; {script or 'true'}; code=$?; {self.ledger.says('end')}; exit $code"
        job_id: str = self.api.create({"command": command} | job)["jobId"]
        return job_id

    def order(self, *job_ids: str) -> list[str]:
        """In which order these began."""
        return [entry.job_id for entry in self.ledger.entries() if entry.word == "begin" and entry.job_id in job_ids]

    def queued(self, *job_ids: str) -> None:
        """Wait until none of these is given ahead to the worker any more, which had short jobs before."""
        until(lambda: {job["status"] for job in self.api.jobs(list(job_ids))} == {"queued"}, "they are queued")

    def blocked(self) -> "Blocked":
        """Takes the one slot until it is let go."""
        return Blocked(self)


class Blocked:
    def __init__(self, house: House) -> None:
        self._house = house
        self._gate = house.ledger.path.with_name("gate")

    def __enter__(self) -> None:
        script = f"while [ ! -e {self._gate} ]; do sleep 0.02; done"
        self._job_id = self._house.submit(script)
        self._house.api.wait_status(self._job_id, "running")

    def __exit__(self, *_: object) -> None:
        self._gate.touch()
        self._house.api.wait_status(self._job_id, "completed")
        self._gate.unlink()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("scheduling")
    server = Server(folder, **SETTINGS, PRIORITY_AGE_SEC="2s").start()
    worker = Worker(server, "w", slots=1, **SETTINGS)
    with ends(server, worker):
        yield House(server, worker, folder)


def in_seconds(seconds: float) -> str:
    moment = SystemClock().now() / 1000 + seconds
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def test_the_higher_priority_goes_first_and_equal_ones_in_their_order(house: House) -> None:
    with house.blocked():
        jobs = [house.submit(priority=priority) for priority in (0, 5, 0, -5, 5)]
        house.queued(*jobs)
    house.api.wait_ended(jobs)
    assert house.order(*jobs) == [jobs[n] for n in (1, 4, 0, 2, 3)]


def test_an_old_job_goes_before_a_new_one_of_higher_priority(house: House) -> None:
    """PRIORITY_AGE_SEC is 2 s: a step of priority is worth two seconds of waiting."""
    with house.blocked():
        old = house.submit()
        born = house.api.job(old)["createdAt"]
        until(lambda: SystemClock().now() / 1000 - datetime.fromisoformat(born).timestamp() > 2.1, "it has aged")
        new = house.submit(priority=1)
        newest = house.submit(priority=3)
        house.queued(old, new, newest)
    house.api.wait_ended([old, new, newest])
    assert house.order(old, new, newest) == [newest, old, new]


def test_a_job_is_run_at_its_time_and_not_before(house: House) -> None:
    at = in_seconds(1)
    later, now = house.submit(runAt=at), house.submit(runAt=in_seconds(-5))
    assert house.api.job(later)["status"] == "scheduled"
    house.api.wait_ended([later, now])
    assert house.order(later, now) == [now, later]
    job = house.api.job(later)
    assert datetime.fromisoformat(job["startedAt"]) >= datetime.fromisoformat(at)


def test_a_job_that_waits_too_long_expires_and_is_not_run(house: House) -> None:
    with house.blocked():
        job_id = house.submit(ttlSec=0.3)
        job = house.api.wait_status(job_id, "failed", within=10)
    assert (job["reason"], job["run"]) == ("expired", 0)
    assert house.order(job_id) == []


def test_one_that_has_begun_does_not_expire(house: House) -> None:
    job_id = house.submit("sleep 1", ttlSec=0.5)
    assert house.api.wait_status(job_id, "completed", "failed")["status"] == "completed"


@pytest.mark.parametrize(
    ("script", "retry_on", "runs"),
    [
        ("false", [], 3), ("false", ["exit"], 3), ("exit 75", ["exit:75"], 3), ("false", ["exit:75"], 1),
        ("kill -9 $$", ["signal"], 3), ("kill -9 $$", ["exit"], 1), ("sleep 30", ["timeout"], 3),
    ],
)  # fmt: skip
def test_it_is_run_again_for_the_reasons_named_and_so_often(
    house: House, script: str, retry_on: list[str], runs: int
) -> None:
    quick = {"firstSec": 0.05, "maxSec": 0.1}
    more = {"timeoutSec": 0.2, "killGraceSec": 0.1} if script.startswith("sleep") else {}
    job_id = house.submit(script, maxRetries=2, retryOn=retry_on, backoff=quick, **more)
    job = house.api.wait_status(job_id, "failed")
    assert (job["run"], job["retriesUsed"]) == (runs, runs - 1)
    assert house.ledger.count("begin")[job_id] == runs
    assert [attempt["run"] for attempt in job["attempts"]] == list(range(1, runs + 1))


def test_it_succeeds_at_last_and_is_not_run_once_more(house: House) -> None:
    marks = house.ledger.path.with_name("marks")
    job_id = house.submit(f"echo x >> {marks}; test $(wc -l < {marks}) -ge 2", maxRetries=5, backoff={"firstSec": 0.05})
    job = house.api.wait_status(job_id, "completed", "failed")
    assert (job["status"], job["run"]) == ("completed", 2)
    assert house.ledger.count("begin")[job_id] == 2


def test_the_wait_before_a_retry_grows(house: House) -> None:
    job_id = house.submit("false", maxRetries=3, backoff={"firstSec": 0.4, "maxSec": 60})
    job = house.api.wait_status(job_id, "failed")
    times = [(attempt["startedAt"], attempt["finishedAt"]) for attempt in job["attempts"]]
    gaps = [
        (datetime.fromisoformat(begun) - datetime.fromisoformat(ended)).total_seconds()
        for (_, ended), (begun, _) in pairwise(times)
    ]
    assert all(0.2 <= gap for gap in gaps), gaps
    assert all(gap <= 0.4 * 2**n + 2 for n, gap in enumerate(gaps)), gaps


def test_a_worker_gets_only_what_its_labels_match(house: House) -> None:
    labels = house.api.ask("GET", "/api/workers/list")["workers"][0]["labels"]
    assert {"os", "arch", "hostname"} <= labels.keys(), "those that each worker has without being told"
    here = house.submit(requires={"os": labels["os"], "hostname": "*"})
    elsewhere = house.submit(requires={"os": "another"})
    house.api.wait_status(here, "completed")
    job = house.api.job(elsewhere)
    assert (job["status"], job["waitingFor"]) == (
        "queued", f"no worker has os=another; the nearest, w, has os={labels['os']}",
    )  # fmt: skip
    (worker,) = house.api.ask("GET", "/api/workers/list")["workers"]
    house.api.ask("PATCH", f"/api/workers/{worker['workerId']}", {"labels": {"os": "another"}})
    house.api.wait_status(elsewhere, "completed")
    house.api.ask("PATCH", f"/api/workers/{worker['workerId']}", {"labels": {}})


def test_a_drained_worker_ends_what_it_runs_and_begins_again_when_it_may(house: House) -> None:
    (worker,) = house.api.ask("GET", "/api/workers/list")["workers"]
    path = f"/api/workers/{worker['workerId']}"
    with house.blocked():
        waiting = house.submit()
        assert house.api.ask("PATCH", path, {"draining": True})["state"] == "draining"
        assert house.api.wait_status(waiting, "queued")["run"] == 0
    until(lambda: not house.api.ask("GET", path)["jobs"], "it has nothing")
    assert house.api.job(waiting)["status"] == "queued"
    assert house.worker.running(), "it stays where it is"
    house.api.ask("PATCH", path, {"draining": False})
    house.api.wait_status(waiting, "completed")


@pytest.mark.timeout(60)
def test_when_the_worker_is_lost_it_is_held_or_run_again_as_often_as_may_be(tmp_path: Path) -> None:
    """`hold`: unknown until somebody decides. `requeue`: run elsewhere, `maxLost` times."""
    server = Server(tmp_path, **SETTINGS).start()
    first, second = Worker(server, "first", slots=4, **SETTINGS), Worker(server, "second", slots=4, **SETTINGS)
    with ends(server, first, second):
        house = House(server, first, tmp_path)
        long = "sleep 60"
        again = house.submit(long, onLost="requeue", maxLost=1, backoff={"firstSec": 0.05, "maxSec": 0.1})
        never = house.submit(long, onLost="requeue", maxLost=0)
        held = house.submit(long)
        until(lambda: len(house.ledger.unended()) == 3, "all run")
        first.send(signal.SIGKILL)
        second.start(house.api)
        house.api.wait_status(never, "failed", within=15)
        assert house.api.job(never)["reason"] == "lost"
        house.api.wait_status(again, "running")
        job = house.api.job(again)
        assert (job["run"], job["lostUsed"], job["attempts"][0]["reason"]) == (2, 1, "lost")
        stands = house.api.job(held)
        assert stands["status"] == "unknown"
        assert stands["waitingFor"] == "news of worker first, which is silent"
        second.send(signal.SIGKILL)
        assert house.api.wait_status(again, "failed", within=15)["reason"] == "lost"
        assert house.ledger.count("begin") == {again: 2, never: 1, held: 1}
