"""`onLost: requeue`: whatever becomes of a worker, its attempt is dead before the server gives the job to another one.

The job's own proof: it holds a lock of the machine that only the death of all its processes frees, and says so in the
ledger when it does not get it.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.ledger import Ledger
from tests.support.proc import alive, children, said_of
from tests.support.proxy import proxying
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import until

FAULTS = ("stopped", "cut off", "asleep", "killed")


class Fleet:
    """A server, a worker for each fault with one job, and what its job holds."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.ledger = Ledger(folder / "ledger")
        self.gate = folder / "gate"
        self.server = Server(folder, **FAST | settings).start()
        self.faulty = {fault: Worker(self.server, fault.replace(" ", "-"), slots=1, **FAST) for fault in FAULTS}
        self.other = Worker(self.server, "other", slots=len(FAULTS), **FAST)
        self.jobs: dict[str, str] = {}
        self._folder = folder

    def job(self, fault: str) -> str:
        """Its process and a child of it hold the lock until both are gone. On a machine that sleeps nothing is gone, so
        there it takes none: what counts is that nothing of it goes on."""
        lock = self._folder / f"lock-{fault.replace(' ', '-')}"
        says = self.ledger.says
        alone = "true" if fault == "asleep" else f"exec 9>>{lock}; flock -n 9 || {says('overlap')}"
        return (
            f"{alone}; {says('begin')}; trap '' TERM; sleep 600 & "
            f"until [ -e {self.gate} ]; do sleep 0.05; done; {says('end')}; kill -9 $!"
        )

    def place(self, api: Api, fault: str) -> None:
        """Give the worker of that fault its job: nobody else has a slot then."""
        created = api.create({"command": self.job(fault), "onLost": "requeue", "name": fault})
        self.jobs[fault] = str(created["jobId"])
        until(lambda: self.jobs[fault] in self.ledger.unended(), f"the job of {fault} has begun")
        where = {worker["workerId"]: worker["name"] for worker in workers(api)}
        assert where[api.job(self.jobs[fault])["workerId"]] == self.faulty[fault].name

    def began(self, fault: str) -> int:
        return self.ledger.count("begin")[self.jobs[fault]]


def warden_of(worker: Worker) -> int:
    """The process that makes the jobs' processes."""
    found = [pid for pid in children(worker.pid) if b"warden" in said_of(pid)]
    assert len(found) == 1
    return found[0]


def asleep(worker: Worker) -> Callable[[], None]:
    """Stop all of it and of its jobs, as a machine that sleeps; wakes it, the jobs first and the worker last."""
    warden = warden_of(worker)
    jobs = children(warden)
    for pid in (worker.pid, warden, *jobs):
        with suppress(ProcessLookupError):  # a child that has just ended
            os.kill(pid, signal.SIGSTOP)

    def wake() -> None:
        os.kill(warden, signal.SIGCONT)
        until(lambda: not any(map(alive, jobs)), "its job is killed before anything else", within=2)
        os.kill(worker.pid, signal.SIGCONT)

    return wake


@pytest.mark.timeout(90)
def test_a_job_never_runs_twice_at_a_time_whatever_becomes_of_its_worker(tmp_path: Path) -> None:
    """Stopped: the warden keeps the deadline. Cut off: the worker does. Asleep: nothing runs, and on waking the job
    goes first. Killed: nothing outlives it."""
    fleet = Fleet(tmp_path)
    server, faulty = fleet.server, fleet.faulty
    with proxying(server.port) as proxy, ends(server, fleet.other, *faulty.values()):
        faulty["cut off"].arguments[faulty["cut off"].arguments.index(server.url)] = proxy.url
        api = server.api()
        for fault in FAULTS:
            faulty[fault].start(api)
            fleet.place(api, fault)
        faulty["stopped"].send(signal.SIGSTOP)
        proxy.part()
        wake = asleep(faulty["asleep"])
        faulty["killed"].kill9()
        fleet.other.start(api)
        for fault in FAULTS:
            until(lambda fault=fault: fleet.began(fault) == 2, f"the job of the worker that is {fault} runs elsewhere")
        assert not fleet.ledger.count("overlap")
        wake()
        faulty["stopped"].send(signal.SIGCONT)
        faulty["stopped"].wait_online(api)
        fleet.gate.touch()
        for job in api.wait_ended(list(fleet.jobs.values())):
            assert (job["status"], job["attempt"], job["lostUsed"]) == ("completed", 2, 1), job
            assert [one["reason"] for one in job["attempts"]] == ["lost", None]
        assert not fleet.ledger.count("overlap")
        once = dict.fromkeys(fleet.jobs.values(), 1)
        assert fleet.ledger.count("end") == once, "nothing of the first attempts went on"
        assert fleet.other.stop() == 0


@pytest.mark.timeout(60)
def test_a_worker_that_wakes_while_its_jobs_still_wait_fails_none_of_them(tmp_path: Path) -> None:
    """It is told to end what counted as lost, and names it: one that goes to another by itself, one by a person."""
    server = Server(tmp_path, **FAST).start()
    only = Worker(server, "only", slots=2, **FAST)
    with ends(server, only):
        api = server.api()
        only.start(api)
        wait = {"command": "[ $CMDEXEC_ATTEMPT -gt 1 ] || sleep 600", "backoff": {"firstSec": 1, "maxSec": 1}}
        own, held = (api.create({**wait, "onLost": on_lost})["jobId"] for on_lost in ("requeue", "hold"))
        api.wait_status(own, "running")
        api.wait_status(held, "running")
        only.send(signal.SIGSTOP)
        api.wait_status(own, "scheduled", "queued")
        api.wait_status(held, "unknown")
        api.ask("POST", f"/api/jobs/{held}/requeue", {"acceptDuplicate": True})
        only.send(signal.SIGCONT)
        for job in api.wait_ended([own, held]):
            assert job["status"] == "completed", job
            assert job["lostUsed"] == (job["jobId"] == own), job
        assert only.stop() == 0


@pytest.mark.timeout(90)
def test_leases_shrink_for_whoever_hears_of_it_and_run_out_for_whoever_does_not(tmp_path: Path) -> None:
    """The server is killed and started with shorter ones: one worker is cut off before it can hear that, one after."""
    fleet = Fleet(tmp_path, LEASE_SEC="6")
    server, deaf, told = fleet.server, fleet.faulty["cut off"], fleet.faulty["stopped"]
    with proxying(server.port) as first, proxying(server.port) as second, ends(server, fleet.other, deaf, told):
        api = server.api()
        for fault, worker, proxy in (("cut off", deaf, first), ("stopped", told, second)):
            worker.arguments[worker.arguments.index(server.url)] = proxy.url
            worker.start(api)
            fleet.place(api, fault)
        first.part()
        server.kill9()
        server.environment["LEASE_SEC"] = "2"
        api = server.start().api()
        fleet.other.start(api)
        until(lambda: fleet.began("cut off") == 2, "the job of the worker that could not hear of it runs elsewhere")
        assert not fleet.ledger.count("overlap"), "until its longer lease is over it stays where it is"
        second.part()
        until(lambda: fleet.began("stopped") == 2, "the job of the worker that heard of it runs elsewhere")
        assert not fleet.ledger.count("overlap"), "that worker goes by the shorter lease as well"
        fleet.gate.touch()
        for job in api.wait_ended(list(fleet.jobs.values())):
            assert (job["status"], job["attempt"], job["lostUsed"]) == ("completed", 2, 1), job
        assert fleet.other.stop() == 0
