"""A worker's lease is renewed however much its jobs print, and however much they leave of the machine."""

import signal
from pathlib import Path
from typing import Any

from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import holds

PRINTING, BURNING = 8, 4
LEASE = 3.0


def test_jobs_that_print_as_fast_as_they_can_beside_some_that_burn_the_machine_cost_no_lease(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    bounds = {"OUTPUT_CAP_BYTES": "8MiB", "OUTPUT_TAIL_BYTES": "64KiB"}
    worker = Worker(server, "busy", slots=PRINTING + BURNING, **(FAST | bounds))
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        spec = {"onLost": "requeue", "killGraceSec": 0.2}
        commands = ["exec yes"] * PRINTING + ["while :; do :; done"] * BURNING
        jobs = api.create_many([{"command": command, **spec} for command in commands])
        for job_id in jobs:
            api.wait_status(job_id, "running")

        def all_run() -> bool:
            (only,) = workers(api)
            return only["state"] == "online" and _running(only) == set(jobs)

        holds(all_run, "no lease is lost", 3 * LEASE, 0.2)
        for job_id in jobs:
            api.cancel(job_id)
        for job in api.wait_ended(jobs):
            assert (job["status"], job["confirmed"], job["run"]) == ("cancelled", True, 1), job
        assert worker.running()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert server.stop() == 0


def _running(worker: dict[str, Any]) -> set[str]:
    return {str(job["jobId"]) for job in worker["jobs"] if job["status"] == "running"}
