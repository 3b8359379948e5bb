"""What a worker may run is its own affair: containers alone, or none, with a network or without."""

import json
from pathlib import Path

from tests.support.containers import QUICK, contained, docker, worker_of
from tests.support.system import Server, ends, workers
from tests.support.waiting import until


def test_a_worker_that_runs_nothing_on_its_machine_runs_containers(tmp_path: Path) -> None:
    server = Server(tmp_path, **QUICK).start()
    worker = worker_of(server)
    worker.arguments.remove("--allow-host")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        assert workers(api)[0]["executors"] == ["container"]
        host = api.create({"command": "true"})["jobId"]
        until(lambda: api.job(host)["waitingFor"], "it is not for this worker")
        job_id = api.create(contained("echo in it"))["jobId"]
        assert api.wait_status(job_id, "completed")["exitCode"] == 0
        assert api.job(host)["status"] == "queued"
        assert worker.stop() == 0


def test_one_that_may_run_nothing_at_all_says_so(tmp_path: Path) -> None:
    server = Server(tmp_path, **QUICK)
    server.port = 1
    worker = worker_of(server, DOCKER_HOST="unix:///nowhere/docker.sock")
    worker.arguments.remove("--allow-host")
    worker.start()
    assert worker.wait(20) == 1
    said = worker.log.read_text()
    assert "no way to run jobs: it may not run them as processes of this machine, and no container engine" in said
    assert "DOCKER_HOST says (unix:///nowhere/docker.sock: there is no such socket)" in said


def test_a_network_is_the_engines_where_it_is_allowed(tmp_path: Path) -> None:
    server = Server(tmp_path, **QUICK).start()
    worker = worker_of(server, ALLOW_CONTAINER_NETWORK="true")
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        job_id = api.create(contained("echo up; sleep 60", network="bridge", killGraceSec=0))["jobId"]
        until(lambda: api.output(job_id) == b"up\n", "it runs")
        (told,) = json.loads(docker("inspect", f"cmdexec-{job_id}.1"))
        assert told["HostConfig"]["NetworkMode"] == "bridge"
        assert told["HostConfig"]["CapDrop"] == ["ALL"], "nothing else is allowed by that"
        api.cancel(job_id)
        api.wait_status(job_id, "cancelled")
        assert worker.stop() == 0
