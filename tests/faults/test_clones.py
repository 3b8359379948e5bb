"""A worker's data folder is copied, with all that is in it: two have one identity. The one that was there first keeps
its place and its job, the copy is told what it is; whichever way it connects, and whoever is heard first."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.blackbox import after_another_start, can_mount
from tests.support.cli import Command
from tests.support.ledger import Ledger
from tests.support.proxy import proxying
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import until

_CLONED = 6


def copied(worker: Worker, server: Server, **settings: str) -> Worker:
    """A worker on a copy of that one's folder as it lies there now."""
    copy = Worker(server, f"{worker.name}-copy", **FAST, **settings)
    shutil.copytree(worker.data, copy.data)
    return copy


def begun(api: Api, ledger: Ledger, gate: Path) -> str:
    """A job that runs until the gate is there."""
    command = f"{ledger.says('begin')}; until [ -e {gate} ]; do sleep 0.05; done; {ledger.says('end')}; echo whole"
    job_id = str(api.create({"command": command})["jobId"])
    until(lambda: job_id in ledger.unended(), "the job has begun")
    return job_id


def ended_once(api: Api, ledger: Ledger, job_id: str) -> None:
    """Whatever came between, its one run has ended well, and is whole."""
    job = api.wait_status(job_id, "completed", "failed", "cancelled")
    assert (job["status"], job["run"], api.output(job_id)) == ("completed", 1, b"whole\n"), job
    assert (ledger.count("begin")[job_id], ledger.count("end")[job_id]) == (1, 1)


def the_one(api: Api) -> dict[str, Any]:
    (only,) = workers(api)
    return only


def says_what_to_do(worker: Worker) -> None:
    """It has ended as a copy, and its log has the sentence and the mend."""
    assert worker.wait(15) == _CLONED, worker.log.read_text()
    said = worker.log.read_text()
    assert "one of them is a copy" in said
    assert "delete its data folder (DATA_DIR) and let it join anew" in said


@pytest.mark.parametrize("way", ["socket", "polling"])
def test_the_copy_is_refused_and_the_job_of_the_first_ends(tmp_path: Path, way: str) -> None:
    server = Server(tmp_path, **FAST).start()
    first = Worker(server, "w", **FAST)
    with ends(server, first), proxying(server.port) as proxy:
        api, ledger, gate = server.api(), Ledger(tmp_path / "ledger"), tmp_path / "gate"
        first.start(api)
        job_id = begun(api, ledger, gate)
        copy = copied(first, server)
        if way == "polling":
            proxy.block("refuse 403")
            copy.arguments[copy.arguments.index("--server") + 1] = proxy.url
        with ends(copy):
            copy.start()
            says_what_to_do(copy)
            shown = the_one(api)
            assert (shown["state"], shown["warning"]["code"]) == ("online", "cloned")
            assert "delete its data folder" in shown["warning"]["mend"]
            told = Command(
                tmp_path / "cli", "workers", "show", "w", SERVER_URL=server.url, DATA_DIR=str(server.data)
            )  # fmt: skip
            assert told.process.wait(20) == 0, told.stderr()
            assert "is refused" in told.stdout().decode()
            copy.start()
            says_what_to_do(copy)
        gate.touch()
        ended_once(api, ledger, job_id)
        assert first.stop() == 0
        assert server.stop() == 0


def test_a_copy_that_comes_while_the_first_is_cut_off_harms_no_job(tmp_path: Path) -> None:
    """For less than a lease; then the first returns, though its server was killed meanwhile."""
    server = Server(tmp_path, **FAST).start()
    first = Worker(server, "w", **FAST)
    with ends(server, first), proxying(server.port) as proxy:
        first.arguments[first.arguments.index("--server") + 1] = proxy.url
        api, ledger, gate = server.api(), Ledger(tmp_path / "ledger"), tmp_path / "gate"
        first.start(api)
        job_id = begun(api, ledger, gate)
        copy = copied(first, server)
        with ends(copy):
            proxy.refuse()
            server.kill9()
            copy.start()
            server.start()
            until(lambda: "Another process of worker" in copy.log.read_text(), "the copy is put off")
            proxy.free()
            says_what_to_do(copy)
            assert server.api().job(job_id)["status"] == "running"
        gate.touch()
        ended_once(server.api(), ledger, job_id)
        assert first.stop() == 0
        assert server.stop() == 0


def test_whose_place_was_taken_while_it_was_silent_gets_it_back(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    first = Worker(server, "w", **FAST)
    with ends(server, first):
        api = server.api()
        first.start(api)
        copy = copied(first, server)
        with ends(copy):
            first.send(signal.SIGSTOP)
            copy.start()
            until(lambda: " connected" in copy.log.read_text(), "the copy is taken for it", 20)
            first.send(signal.SIGCONT)
            says_what_to_do(copy)
            job = api.wait_status(str(api.create({"command": "true"})["jobId"]), "completed")
            assert job["workerId"] == the_one(api)["workerId"]
            first.must_run()
        assert first.stop() == 0
        assert server.stop() == 0


def test_after_a_start_of_the_one_machine_of_server_and_worker_nobody_waits_for_a_lease(tmp_path: Path) -> None:
    """kill -9 of all, and a kernel that names another start: the job is judged dead by its worker's own journal."""
    if not can_mount():
        pytest.skip("no mounts of one's own here")
    server = Server(tmp_path, **FAST | {"LEASE_SEC": "120"}).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        api, ledger = server.api(), Ledger(tmp_path / "ledger")
        worker.start(api)
        again = {"maxRetries": 1, "retryOn": ["worker"], "backoff": {"firstSec": 0}}
        command = f"{ledger.says('begin')}; [ $CMDEXEC_ATTEMPT = 2 ] || sleep 600"
        job_id = str(api.create({"command": command, **again})["jobId"])
        until(lambda: ledger.count("begin")[job_id] == 1, "the job has begun")
        server.kill9()
        worker.kill9()
        server.command = after_another_start(server.command, tmp_path)
        worker.arguments = after_another_start(worker.arguments, tmp_path)
        api = server.start().api()
        worker.start(api)
        job = api.wait_status(job_id, "completed", within=60)
        assert [one["reason"] for one in job["attempts"]] == ["worker", None]
        assert worker.stop() == 0
        assert server.stop() == 0
