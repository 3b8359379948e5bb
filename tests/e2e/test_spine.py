"""One path through the whole house: submitted here, run there, and nothing about it is lost."""

import signal
from pathlib import Path

import pytest

from tests.support.ledger import Ledger
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until

MANY = 10_000


@pytest.mark.timeout(240)
def test_ten_thousand_jobs_each_once(tmp_path: Path) -> None:
    """Each appends its id to a file outside cmdexec: the lines are exactly the acknowledged ids."""
    server = Server(tmp_path).start()
    worker = Worker(server, "w", slots=8)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        job = {"command": ["/bin/sh", "-c", ledger.says("begin")]}
        acknowledged = [job_id for _ in range(MANY // 1000) for job_id in api.create_many([job] * 1000)]
        jobs = api.wait_ended(acknowledged, within=200)
        lines = [entry.job_id for entry in ledger.entries()]
        assert len(lines) == MANY
        assert set(lines) == set(acknowledged)
        assert len(set(acknowledged)) == MANY
        assert {(job["status"], job["run"], job["exitCode"]) for job in jobs} == {("completed", 1, 0)}


def test_a_submitted_job_starts_without_polling(tmp_path: Path) -> None:
    """Every interval that could stand in for being told is set to minutes."""
    slow = {"HEARTBEAT_SEC": "60s", "LEASE_SEC": "600s"}
    server = Server(tmp_path, **slow).start()
    worker = Worker(server, "w", **slow)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        for _ in range(5):
            job_id = api.create({"command": "echo hi"})["jobId"]
            job = api.wait_status(job_id, "completed", within=1)
            assert api.output(job["jobId"]) == b"hi\n"


@pytest.mark.timeout(60)
def test_a_late_worker_takes_what_waits(tmp_path: Path) -> None:
    """Six long jobs and a worker of four slots; the second worker has room for the rest within a second."""
    server = Server(tmp_path).start()
    first, second = Worker(server, "first", slots=4), Worker(server, "second", slots=4)
    with ends(server, first, second):
        api = server.api()
        first.start(api)
        ledger = Ledger(tmp_path / "ledger")
        api.wait_ended(api.create_many([{"command": ["/bin/sh", "-c", ledger.says("short")]}] * 200))
        long = api.create_many([{"command": f"{ledger.says('begin')}; sleep 30"}] * 6)
        until(lambda: len(ledger.unended()) == 4, "the first worker is full")
        second.start(api)
        until(lambda: len(ledger.unended()) == 6, "no job waits while a slot is free", within=1)
        by_worker = {job["workerId"] for job in api.jobs(long)}
        assert len(by_worker) == 2
        for job_id in long:
            api.cancel(job_id)
        assert {job["status"] for job in api.wait_ended(long)} == {"cancelled"}
        assert ledger.count("begin") == dict.fromkeys(long, 1)


def test_exit_code_and_signal_are_told_apart(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    worker = Worker(server, "w")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        commands = ["exit 3", "kill -9 $$", "exit 137", ["no-such-program-here"], "true"]
        jobs = api.wait_ended(api.create_many([{"command": command} for command in commands]))
        ends_as = [(job["status"], job["reason"], job["exitCode"], job["signal"]) for job in jobs]
        assert ends_as == [
            ("failed", "exit", 3, None),
            ("failed", "signal", None, int(signal.SIGKILL)),
            ("failed", "exit", 137, None),
            ("failed", "start", None, None),
            ("completed", None, 0, None),
        ]
        assert "no-such-program-here" in jobs[3]["message"]


def test_a_job_sees_its_own_environment_and_nothing_else(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    worker = Worker(server, "w", SECRET_OF_THE_WORKER="hunter2")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        job = api.create({"command": ["env"], "env": {"GREETING": "hello\nthere"}})
        job = api.wait_status(job["jobId"], "completed")
        printed = api.output(job["jobId"]).decode()
        assert "GREETING=hello\nthere\n" in printed
        assert f"CMDEXEC_JOB_ID={job['jobId']}\n" in printed
        assert "CMDEXEC_ATTEMPT=1\n" in printed
        for secret in ("hunter2", "WORKER_TOKEN_SECRET", server.secret):
            assert secret not in printed
