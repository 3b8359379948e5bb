"""A job that another worker may run when this one is silent is gone from here by then, container and all."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.containers import QUICK, contained, containers_of, worker_of
from tests.support.proc import with_marker
from tests.support.system import Server, Worker, ends
from tests.support.waiting import until


@pytest.mark.parametrize("how", ["stopped", "killed", "killed with its warden"])
def test_it_runs_elsewhere_only_when_it_is_gone_here(tmp_path: Path, how: str) -> None:
    server = Server(tmp_path, **QUICK).start()
    first, second = worker_of(server, "a"), worker_of(server, "b")
    with ends(server, first, second):
        api = server.api()
        first.start(api)
        job = contained("echo up; sleep 600", onLost="requeue", killGraceSec=0, maxRetries=1, backoff={"firstSec": 0})
        job_id = api.create(job)["jobId"]
        until(lambda: api.output(job_id) == b"up\n", "it runs")
        assert containers_of(first) == [f"cmdexec-{job_id}.1"]
        second.start(api)
        if how == "stopped":
            first.send(signal.SIGSTOP)
        else:
            warden = warden_of(first)
            first.kill9()
            if how == "killed with its warden":
                os.kill(warden, signal.SIGKILL)
        if how != "killed with its warden":
            until(lambda: f"cmdexec-{job_id}.1" not in containers_of(first), "its container is gone", 10)
        else:
            first.start()
        until(lambda: f"cmdexec-{job_id}.2" in containers_of(second), "it runs elsewhere, or again", 20)
        if how == "stopped":
            first.send(signal.SIGCONT)
        until(lambda: containers_of(second) == [f"cmdexec-{job_id}.2"], "of both there is one", 10)
        assert api.cancel(job_id)["outcome"] == "asked"
        ended = api.wait_status(job_id, "cancelled")
        assert ended["attempts"][-1]["attempt"] == 2
        until(lambda: not containers_of(second), "none is left")


def warden_of(worker: Worker) -> int:
    """The number of its process."""
    lines = worker.log.read_text().splitlines()
    line = next(line for line in lines if "ready to run jobs" in line)
    pid = int(line.rpartition("warden=")[2].split()[0])
    assert pid in with_marker("warden"), "it lives"
    return pid
