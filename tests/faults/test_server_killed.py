"""The server dies, again and again, or is away for long: running jobs go on, once, no byte lost or doubled."""

import http.client
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.api import ApiError
from tests.support.ledger import Ledger
from tests.support.payload import LINES, check_once_and_whole, expected_output, slow_job
from tests.support.recorder import Recorder, RecordingApi
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.verified import must_be_as_promised
from tests.support.waiting import holds, until

KILLS = 20


@pytest.mark.timeout(240)
def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", slots=4, **FAST)
    history = Recorder(tmp_path / "history", "kills", number=1, seed=0, bound_sec=60)
    with ends(server, worker), closing(history) as recorder:
        worker.start(server.api())
        ledger = Ledger(tmp_path / "ledger")
        submitted: list[str] = []
        failures: list[BaseException] = []
        stop = threading.Event()

        def submit() -> None:
            api = RecordingApi(server.url, server.api().token, recorder, "submitter")
            try:
                while not stop.is_set():
                    submitted.extend(api.create_surely([slow_job(ledger)]))
                    stop.wait(0.2)
            except BaseException as failure:
                failures.append(failure)

        submitter = threading.Thread(target=submit)
        submitter.start()
        try:
            for number in range(KILLS):
                until(lambda: ledger.unended() or failures, f"a job is running before kill {number + 1}")
                recorder.fault("kill -9 of the server")
                server.kill9()
                server.start()
        finally:
            stop.set()
            submitter.join()
        assert not failures, failures
        check_once_and_whole(server.api(), ledger, submitted)
        assert worker.running(), "the worker lived through it all"
        recorder.finish(server.api(), ledger)
    must_be_as_promised(tmp_path / "history")


@pytest.mark.timeout(120)
def test_a_server_that_is_away_for_two_leases_hurts_no_job_that_holds(tmp_path: Path) -> None:
    """Jobs end while the server is away: their results wait in the spool."""
    fast = FAST | {"LEASE_SEC": "2"}
    server = Server(tmp_path, **fast).start()
    worker = Worker(server, "w", slots=3, **fast)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        job_ids = api.create_many([slow_job(ledger), slow_job(ledger), slow_job(ledger, lines=250)])
        until(lambda: len(ledger.unended()) == 3, "all three are running")
        server.kill9()
        until(lambda: len(ledger.unended()) == 1, "two came to their end with no server")
        holds(worker.running, "the worker goes on without a server", during=4)
        server.start()
        api = server.api()
        jobs = api.wait_ended(job_ids, 30)
        assert [job["attempt"] for job in jobs] == [1, 1, 1]
        for job, lines in zip(jobs, (LINES, LINES, 250), strict=True):
            assert (job["status"], job["exitCode"]) == ("failed", 7), job
            out, err = expected_output(job["jobId"], 1, lines)
            assert api.output(job["jobId"]) == out
            assert api.output(job["jobId"], "stderr") == err
        assert ledger.count("begin") == dict.fromkeys(job_ids, 1)
        assert ledger.count("end") == dict.fromkeys(job_ids, 1)


@pytest.mark.timeout(120)
def test_a_frozen_server_judges_no_lease_when_it_wakes(tmp_path: Path) -> None:
    """A machine that slept longer than a lease: the server wakes first, and it was not the worker's fault (promise 8).

    The worker is frozen before it, so that nothing it said lies in the server's socket, and wakes after it. The job
    goes on meanwhile, and ends.
    """
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        job_ids = api.create_many([slow_job(ledger)])
        until(ledger.unended, "it is running")
        api.wait_status(job_ids[0], "running")
        worker.send(signal.SIGSTOP)
        server.send(signal.SIGSTOP)
        holds(worker.running, "it sleeps", during=float(FAST["LEASE_SEC"]) + 1)
        server.send(signal.SIGCONT)
        holds(lambda: api.job(job_ids[0])["status"] == "running", "the server judges no lease", during=0.5)
        worker.send(signal.SIGCONT)
        check_once_and_whole(api, ledger, job_ids)
        events = [line["event"] for line in api.job(job_ids[0])["history"]]
        assert events == ["submit", "claim", "start", "result"], "its lease was never over"


@pytest.mark.timeout(120)
def test_a_lost_worker_makes_its_job_unknown_and_its_return_resolves_it(tmp_path: Path) -> None:
    """SIGSTOP past the lease: the job is unknown and nobody runs it again; after CONT its true end counts."""
    server = Server(tmp_path, **FAST).start()
    worker, other = Worker(server, "w", **FAST), Worker(server, "other", **FAST)
    with ends(server, worker, other):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        job_ids = api.create_many([slow_job(ledger, lines=100)])
        until(ledger.unended, "it is running")
        other.start(api)
        worker.send(signal.SIGSTOP)
        api.wait_status(job_ids[0], "unknown", within=15)
        until(lambda: {one["name"]: one["state"] for one in workers(api)}["w"] == "lost", "the worker is shown as lost")
        worker.send(signal.SIGCONT)
        check_once_and_whole(api, ledger, job_ids, lines=100)
        assert api.job(job_ids[0])["run"] == 1


def test_the_same_key_again_is_the_same_job_and_another_body_is_refused(tmp_path: Path) -> None:
    """Also after the server was killed between the two."""
    server = Server(tmp_path, **FAST).start()
    with ends(server):
        api = server.api()
        first = api.create_many([{"command": "true"}, {"command": "false"}], key="k1")
        server.kill9()
        server.start()
        api = server.api()
        assert api.create_many([{"command": "true"}, {"command": "false"}], key="k1") == first
        with pytest.raises(ApiError) as refused:
            api.create_many([{"command": "true"}], key="k1")
        assert (refused.value.status, refused.value.error["code"]) == (422, "key_reused")


def test_term_drains_and_ends_with_0(tmp_path: Path) -> None:
    """A running job lives through a server's clean restart."""
    server = Server(tmp_path, **FAST).start()
    worker = Worker(server, "w", **FAST)
    with ends(server, worker):
        api = server.api()
        worker.start(api)
        ledger = Ledger(tmp_path / "ledger")
        job_ids = api.create_many([slow_job(ledger)])
        until(ledger.unended, "it is running")
        assert server.stop() == 0
        with pytest.raises((OSError, http.client.HTTPException)):
            api.job(job_ids[0])
        server.start()
        check_once_and_whole(server.api(), ledger, job_ids)
        assert worker.stop() == 0
