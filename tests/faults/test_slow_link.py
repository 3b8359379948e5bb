"""Over a slow link heartbeats come less often, but never so seldom that a lease is lost; a job goes on all the while,
and its output, of which there is more than the link carries, keeps no heartbeat waiting for too long."""

from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.cli import Command
from tests.support.ledger import Ledger
from tests.support.proxy import proxying
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import holds, until

LEASE, USUAL = 3.0, 0.5


def load_of(api: Api) -> dict[str, Any]:
    (only,) = workers(api)
    load: dict[str, Any] = only["load"] or {}
    return load


def test_heartbeats_come_less_often_over_a_slow_link_and_no_lease_is_lost(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "far", **FAST)
    with ends(server, worker), proxying(server.port) as proxy:
        worker.arguments[worker.arguments.index("--server") + 1] = proxy.url
        api, ledger, gate = server.api(), Ledger(tmp_path / "ledger"), tmp_path / "gate"
        worker.start(api)
        until(lambda: load_of(api).get("heartbeatSec") == USUAL, "it says how often it speaks")
        command = f"{ledger.says('begin')}; until [ -e {gate} ]; do sleep 0.05; done"
        job_id = str(api.create({"command": command, "onLost": "requeue"})["jobId"])
        until(lambda: job_id in ledger.unended(), "the job has begun")

        proxy.slow(delay_sec=0.3)
        until(lambda: load_of(api)["heartbeatSec"] == LEASE / 3, "it speaks as seldom as it may")
        assert load_of(api)["roundTripSec"] > 0.3
        told = Command(tmp_path / "cli", "workers", "--json", SERVER_URL=server.url, DATA_DIR=str(server.data))
        assert told.process.wait(20) == 0, told.stderr()
        assert '"heartbeatSec":1.0' in told.stdout().decode().replace(" ", "")
        assert "the link is slow: heartbeats come less often" in worker.log.read_text()
        holds(lambda: api.job(job_id)["status"] == "running", "its lease is renewed all the same", 2 * LEASE, 0.2)

        proxy.slow()
        until(lambda: load_of(api)["heartbeatSec"] == USUAL, "it speaks as often as before")
        assert "heartbeats come as often as usual" in worker.log.read_text()
        gate.touch()
        assert (api.wait_status(job_id, "completed", "failed")["status"], ledger.count("begin")[job_id]) == (
            "completed", 1,
        )  # fmt: skip
        assert worker.stop() == 0
        assert server.stop() == 0


def test_much_output_over_a_narrow_link_costs_no_lease(tmp_path: Path) -> None:
    """150 KB in a second, which is to this lease what 7.5 KB are to the shipped one; and a job that prints all along,
    for three leases."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "far", **(FAST | {"OUTPUT_CAP_BYTES": "4MiB", "OUTPUT_TAIL_BYTES": "64KiB"}))
    with ends(server, worker), proxying(server.port) as proxy:
        worker.arguments[worker.arguments.index("--server") + 1] = proxy.url
        api = server.api()
        worker.start(api)
        proxy.slow(bytes_per_sec=150_000)
        job_id = str(api.create({"command": "yes | head -c 50000000", "onLost": "requeue"})["jobId"])
        api.wait_status(job_id, "running")

        def goes_on() -> bool:
            job = api.job(job_id)
            return job["status"] == "running" and job["run"] == 1

        holds(goes_on, "its lease is renewed all the same", 3 * LEASE, 0.2)
        proxy.slow()
        job = api.wait_status(job_id, "completed", "failed", within=40)
        assert (job["status"], job["run"], len(job["attempts"])) == ("completed", 1, 1), job
        assert worker.stop() == 0
        assert server.stop() == 0
