"""A worker that no WebSocket reaches does over HTTP all that others do, and goes back to the socket by itself."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.ledger import Ledger
from tests.support.proc import with_marker
from tests.support.proxy import WAYS, Proxy, Way, proxying
from tests.support.system import FAST, Server, Worker, ends, workers
from tests.support.waiting import until

SWITCHES = 20
JOBS = 1000
PRINTED = b"".join(b"%d\n" % number for number in range(1, 19_001))
"""About 100 KB, as `seq` writes it."""

POLLING = FAST | {"SOCKET_RETRY_SEC": "200ms", "CONNECT_TIMEOUT_SEC": "500ms", "SOCKET_PING_SEC": "400ms"}
"""A socket that is blocked, or comes free, is noticed soon."""


@contextmanager
def behind(folder: Path, way: Way | None, *, slots: int = 4, **settings: str) -> Iterator[tuple[Server, Proxy, Worker]]:
    """A server, and a worker behind a proxy that blocks sockets in that way; `settings` are for both."""
    server = Server(folder, **(FAST | settings)).start()
    with proxying(server.port) as proxy:
        worker = Worker(server, "w", slots=slots, **(POLLING | settings))
        worker.arguments[worker.arguments.index(server.url)] = proxy.url
        with ends(server, worker):
            if way is not None:
                proxy.block(way)
            worker.start(server.api())
            yield server, proxy, worker


def connections(worker: Worker) -> list[str]:
    """The ways in which it has been connected, in their order."""
    lines = [line for line in worker.log.read_text().splitlines() if " connected " in line]
    return ["polling" if "by=polling" in line else "socket" for line in lines]


def transport(api: Api) -> str | None:
    """How the server has the worker."""
    (worker,) = workers(api)
    told: str | None = worker["transport"]
    return told


def ran_once(api: Api, ledger: Ledger, job_ids: list[str], within: float = 60.0) -> list[dict[str, Any]]:
    """The judgement by the ledger, once all have ended: each ran once, to its end."""
    jobs = api.wait_ended(job_ids, within)
    assert ledger.count("begin") == dict.fromkeys(job_ids, 1), "each began once, and nothing else did"
    assert ledger.count("end") == dict.fromkeys(job_ids, 1), "each came to its end, once"
    assert {(job["status"], job["run"]) for job in jobs} == {("completed", 1)}
    return jobs


@pytest.mark.timeout(150)
def test_a_socket_that_is_blocked_and_freed_twenty_times_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Jobs of all lengths run on and begin while the worker changes its way; some write much on both streams. Three
    times each time the calls of HTTP that are under way are lost as well."""
    with behind(tmp_path, None, slots=8) as (server, proxy, worker):
        api, ledger = server.api(), Ledger(tmp_path / "ledger")
        begins, over = ledger.says("begin"), ledger.says("end")
        brief = {"command": f"{begins}; echo $CMDEXEC_JOB_ID; {over}"}
        longer = {"command": f"{begins}; echo $CMDEXEC_JOB_ID; sleep 0.5; {over}"}
        loud = {"command": f"{begins}; seq 19000; seq 19000 >&2; {over}"}
        some = [loud] * 3 + [longer] * 3 + [brief] * (JOBS // SWITCHES - 6)
        job_ids: list[str] = []
        for number in range(SWITCHES):
            way, polls, seen = WAYS[number % len(WAYS)], proxy.polls(), len(connections(worker))
            job_ids += api.create_many(some)
            turned_away = proxy.turned_away[way]
            proxy.block(way)
            for lost in range(1, 4):
                until(lambda polls=polls + 2 * lost: proxy.polls() >= polls, f"it polls, with sockets blocked by {way}")
                proxy.cut()
            until(lambda before=turned_away, way=way: proxy.turned_away[way] > before, f"it met {way}")
            proxy.free()
            until(lambda seen=seen: "socket" in connections(worker)[seen:], f"it is back after {way}")
        jobs = ran_once(api, ledger, job_ids)
        assert len(jobs) == JOBS
        for number, job in enumerate(jobs):
            is_loud = number % len(some) < 3
            wanted = (PRINTED, PRINTED) if is_loud else (job["jobId"].encode() + b"\n", b"")
            assert (api.output(job["jobId"]), api.output(job["jobId"], "stderr")) == wanted
            assert job["output"]["stdout"]["whole"] is True
            assert job["output"]["stderr"]["whole"] is True
        ways = connections(worker)
        assert ways.count("polling") >= SWITCHES, ways
        assert ways.count("socket") >= SWITCHES, ways
        assert proxy.turned_away.keys() == set(WAYS)
        assert proxy.asked["/api/jobs/stream-output"] > SWITCHES
        assert proxy.asked["/api/jobs/submit-result"] > SWITCHES
        assert transport(api) == "socket"
        assert worker.stop() == 0


def test_a_worker_whose_socket_never_opens_does_all_that_others_do(tmp_path: Path) -> None:
    with behind(tmp_path, "strip") as (server, proxy, worker):
        api = server.api()
        assert transport(api) == "polling"
        job_ids = api.create_many([{"command": f"echo {n}; echo err {n} >&2; exit {n % 3}"} for n in range(50)])
        for number, job in enumerate(api.wait_ended(job_ids, 20)):
            assert (job["exitCode"], job["attempt"]) == (number % 3, 1), job
            assert api.output(job["jobId"]) == b"%d\n" % number
            assert api.output(job["jobId"], "stderr") == b"err %d\n" % number
        assert proxy.upgrades == 0
        assert proxy.turned_away["strip"] > 0
        assert set(connections(worker)) == {"polling"}
        assert worker.stop() == 0


def test_beyond_the_bound_of_its_heartbeats_a_worker_loses_nothing_and_does_all_that_it_did(tmp_path: Path) -> None:
    """It begins there, keeps its lease for longer than that lasts, and comes back after a break and a kill."""
    bound = {"RATE_LIMIT_MAX_HEARTBEAT": "1", "RATE_LIMIT_WINDOW_MS": "600s"}
    with behind(tmp_path, "strip", slots=1, **bound) as (server, proxy, worker):
        api = server.api()
        long = api.create({"command": "sleep 4", "onLost": "requeue"})["jobId"]
        until(lambda: api.job(long)["status"] == "running", "it runs")
        proxy.cut()
        (job,) = api.wait_ended([long], 20)
        assert (job["status"], job["run"], job["attempt"]) == ("completed", 1, 1), job
        worker.kill9()
        worker.start(api)
        brief, endless = api.create_many([{"command": "echo a"}, {"command": "sleep 600"}])
        assert api.wait_ended([brief], 10)[0]["exitCode"] == 0
        until(lambda: api.job(endless)["status"] == "running", "it runs")
        api.cancel(endless)
        assert api.wait_ended([endless], 10)[0]["status"] == "cancelled"
        assert worker.log.read_text().count("a heartbeat came too often") >= 2
        assert worker.stop() == 0


def test_a_cancel_reaches_a_polling_worker_at_once_also_when_all_its_slots_are_taken(tmp_path: Path) -> None:
    """Through the poll that is open: no heartbeat is due for long."""
    with behind(tmp_path, "refuse 403", slots=2, HEARTBEAT_SEC="60s", LEASE_SEC="180s") as (server, _, _worker):
        api = server.api()
        job_ids = api.create_many([{"command": "echo runs; sleep 60"}] * 3)
        until(lambda: [api.output(one) for one in job_ids[:2]] == [b"runs\n"] * 2, "two are running")
        for job_id in job_ids[:2]:
            assert api.cancel(job_id)["outcome"] == "asked"
            assert api.wait_status(job_id, "cancelled", within=2)["confirmed"] is True
        until(lambda: api.output(job_ids[2]) == b"runs\n", "a slot that came free is used", within=2)


def test_output_of_a_polling_worker_comes_while_the_job_runs(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with behind(tmp_path, "refuse 502") as (server, _, _worker):
        api = server.api()
        job_id = api.create({"command": f"echo first; until [ -e {gate} ]; do sleep 0.01; done; echo last"})["jobId"]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        headers = {"Authorization": f"Bearer {api.token}"}
        connection.request("GET", f"/api/jobs/{job_id}/output?stream=stdout&follow=1", headers=headers)
        answer = connection.getresponse()
        assert answer.readline() == b"first\n"
        assert api.job(job_id)["status"] == "running"
        gate.touch()
        assert answer.read() == b"last\n"
        connection.close()


def test_three_kills_of_the_server_hurt_no_job_of_a_polling_worker(tmp_path: Path) -> None:
    with behind(tmp_path, "swallow") as (server, proxy, worker):
        ledger = Ledger(tmp_path / "ledger")
        begins, over = ledger.says("begin"), ledger.says("end")
        loop = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $i; sleep 0.02; done"
        job_ids: list[str] = []
        for number in range(3):
            job_ids += server.api().create_many([{"command": f"{begins}; {loop}; {over}"}] * 6)
            until(ledger.unended, f"a job is running before kill {number + 1}")
            server.kill9()
            server.start()
            polls = proxy.polls()
            until(lambda polls=polls: proxy.polls() > polls, "the worker is back")
        api = server.api()
        for job in ran_once(api, ledger, job_ids):
            assert api.output(job["jobId"]) == b"".join(b"%d\n" % line for line in range(1, 41))
        assert set(connections(worker)) == {"polling"}


def test_what_a_killed_polling_worker_held_ends_as_over_the_socket(tmp_path: Path) -> None:
    """kill -9: what ran is dead and told so by the next process; what had not begun runs then."""
    with behind(tmp_path, "reset", slots=2) as (server, _, worker):
        api, ledger = server.api(), Ledger(tmp_path / "ledger")
        gate = tmp_path / "gate"
        command = f"{ledger.says('begin')}; until [ -e {gate} ]; do sleep 0.01; done; {ledger.says('end')}"
        job_ids = api.create_many([{"command": command}] * 4)
        until(lambda: len(ledger.unended()) == 2, "two are running")
        worker.kill9()
        until(lambda: not with_marker(str(gate)), "nothing of theirs is alive", within=2)
        gate.touch()
        worker.start(api)
        jobs = api.wait_ended(job_ids, within=15)
        assert [job["reason"] for job in jobs] == ["worker", "worker", None, None]
        assert [job["exitCode"] for job in jobs[2:]] == [0, 0]
        assert ledger.count("begin") == dict.fromkeys(job_ids, 1)


def test_a_worker_whose_heartbeats_are_too_many_keeps_its_jobs_and_takes_others(tmp_path: Path) -> None:
    """It holds a job for two leases beyond the bound, and begins and ends others meanwhile."""
    bound = {"RATE_LIMIT_MAX_HEARTBEAT": "3", "RATE_LIMIT_WINDOW_MS": "600000"}
    bound |= {"LEASE_SEC": "1500ms", "HEARTBEAT_SEC": "250ms"}
    with behind(tmp_path, "strip", **bound) as (server, proxy, worker):
        api = server.api()
        held = api.create({"command": "sleep 60"})["jobId"]
        api.wait_status(held, "running")
        before = proxy.asked["/api/workers/heartbeat"]
        until(lambda: proxy.asked["/api/workers/heartbeat"] >= before + 3 + 12, "it went on for two leases")
        others = api.create_many([{"command": "true"}] * 20)
        assert {job["attempt"] for job in api.wait_ended(others, 20)} == {1}
        (shown,) = workers(api)
        job = api.job(held)
        assert (shown["state"], job["status"], job["attempt"]) == ("online", "running", 1)
        assert "unknown" not in {line["status"] for line in job["history"]}
        api.cancel(held)
        api.wait_status(held, "cancelled")
        assert "by=polling" in worker.log.read_text()
