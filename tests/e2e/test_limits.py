"""CPU_LIMIT, RAM_LIMIT and a job's own `cpu` and `ramMb`, through a server and real workers.

What a job gets of the CPU is judged by its own CPU time over the time it ran. More than its part is never right; less
is wrong where the machine had cores to spare meanwhile.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.proc import spared
from tests.support.system import Server, Worker, ends, workers
from tests.support.waiting import until

SPIN_SEC = 1.0
SPIN = f"""
import os, time
end = time.monotonic() + {SPIN_SEC}
child = os.fork()
while time.monotonic() < end:
    pass
if child:
    os.wait()
"""
GROW = "import time; held = bytearray({} << 20); time.sleep(60)"
CHILD = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {!r}]).returncode and 3)"
DETACHED = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-c", {!r}])
time.sleep(60)
"""
CORES = "import os; print(len(os.sched_getaffinity(0)), os.nice(0))"
ALLOWED = "import os; print(*os.sched_getaffinity(0))"
TOLERANCE = 0.15


@dataclass
class Place:
    """A server with one worker."""

    server: Server
    api: Api
    worker: Worker

    def run(self, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
        return self.api.wait_ended(self.api.create_many(list(jobs)), 60)


Start = Callable[..., Place]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("limits") / "place")
    with ends(server):
        yield server.start()
        assert server.stop() == 0, server.log.read_text()


@pytest.fixture
def start(server: Server) -> Iterator[Start]:
    """Start a worker held by "cgroup" (skips where that cannot be) or "watched", with these settings."""
    started: list[Worker] = []

    def begin(how: str, **settings: str) -> Place:
        api = server.api()
        ours = {worker.name for worker in started}
        for gone in workers(api):  # what those of other tests had does not count here
            if gone["name"] not in ours:
                api.ask("DELETE", f"/api/workers/{gone['workerId']}", {})
        limits = "auto" if how == "cgroup" else how
        worker = Worker(server, secrets.token_hex(4), slots=8, LIMITS=limits, LIMITS_LOOK_MS="20", **settings)
        started.append(worker)
        worker.start(api)
        if how == "cgroup" and told_of(worker, api)["limits"] == "watched":
            pytest.skip("NO CGROUPS OF `cpu` AND `memory` CAN BE MADE HERE: limits by cgroups stay untested")
        return Place(server, api, worker)

    try:
        yield begin
    finally:
        with ends(*started):
            for worker in started:
                assert worker.stop() == 0, worker.log.read_text()


def told_of(worker: Worker, api: Api) -> dict[str, Any]:
    """The worker as the list of workers shows it."""
    [found] = [one for one in workers(api) if one["name"] == worker.name]
    return found


def python(code: str, **part: float) -> dict[str, Any]:
    return {"command": [sys.executable, "-c", code], **part}


def cores(job: dict[str, Any]) -> float:
    """What it used of the CPU while it ran."""
    ran = datetime.fromisoformat(job["finishedAt"]) - datetime.fromisoformat(job["startedAt"])
    assert job["status"] == "completed", job
    assert ran.total_seconds() >= SPIN_SEC
    used: float = job["usage"]["cpuSec"] / ran.total_seconds()
    return used


def measured(place: Place, jobs: list[dict[str, Any]], *, each: float | None = None, together: float) -> None:
    """The jobs use so many cores: never more, and less only if there were no more."""
    began, idle = time.monotonic(), spared()
    used = [cores(job) for job in place.run(*jobs)]
    spare = (spared() - idle) / (time.monotonic() - began)
    assert each is None or max(used) <= each * (1 + TOLERANCE), used
    assert sum(used) <= together * (1 + TOLERANCE), used
    if sum(used) < together * (1 - TOLERANCE):
        assert spare < together - sum(used), f"{used} cores of {together}, and {spare:.2f} were idle"


@pytest.mark.parametrize("how", ["cgroup", "watched"])
def test_a_job_over_its_memory_ends_as_oom_and_nobody_else_does(start: Start, how: str) -> None:
    place = start(how)
    grow = GROW.format(300)
    beside, *over = place.api.create_many([
        python("import time; held = bytearray(60 << 20); time.sleep(600)", ramMb=100),
        python(grow, ramMb=64),
        python(CHILD.format(grow), ramMb=64),
        {"command": f"{sys.executable} -c '{grow}'; exit 7", "ramMb": 64},
        python(DETACHED.format(grow), ramMb=64),
    ])  # fmt: skip
    for job in place.api.wait_ended(over, 30):
        assert (job["status"], job["reason"]) == ("failed", "oom"), job
        assert "it used more than its 64 MB of memory" in job["message"]
        assert ("watched, not enforced" in job["message"]) == (how == "watched")
        if how == "cgroup":
            assert 32 < job["usage"]["peakRssMb"] <= 64
    assert place.api.job(beside)["status"] == "running"
    place.api.cancel(beside)
    assert place.api.wait_ended([beside])[0]["status"] == "cancelled"
    [killed] = place.run({"command": "kill -9 $$", "ramMb": 64})
    assert (killed["reason"], killed["signal"]) == ("signal", 9)
    assert place.worker.running()


def test_a_job_gets_its_part_of_the_cpu_by_cgroups(start: Start) -> None:
    place = start("cgroup")
    measured(place, [python(SPIN, cpu=0.5), python(SPIN, cpu=0.5)], each=0.5, together=1.0)


def test_a_watched_job_is_kept_to_its_whole_cores_and_yields_those_that_it_shares(start: Start) -> None:
    place = start("watched")
    for cpu, says in ((1, "1 0"), (0.5, "1 5")):
        [job] = place.run(python(CORES, cpu=cpu))
        assert place.api.output(job["jobId"]).decode().strip() == says


@pytest.mark.parametrize("how", ["cgroup", "watched"])
def test_all_jobs_together_get_what_the_worker_may_give(start: Start, how: str) -> None:
    """Two that name no part, and share one core; then one that takes more memory than all may."""
    place = start(how, CPU_LIMIT="1", RAM_LIMIT="512")
    told = told_of(place.worker, place.api)
    assert (told["cpu"], told["ramMb"]) == (1, 512)
    if how == "cgroup":
        measured(place, [python(SPIN), python(SPIN)], together=1.0)
    else:
        one, other = place.run(python(ALLOWED), python(ALLOWED))
        first, second = (place.api.output(job["jobId"]) for job in (one, other))
        assert len(first.split()) == 1
        assert first == second
    [large] = place.run(python(GROW.format(1500)))
    assert large["reason"] == "oom", large
    assert "together used more than the worker's 512 MB of memory (RAM_LIMIT)" in large["message"]


def test_jobs_that_do_not_fit_together_wait_and_others_start_meanwhile(start: Start) -> None:
    place = start("watched", CPU_LIMIT="1", RAM_LIMIT="512")
    [first] = place.api.create_many([{"command": "sleep 600", "cpu": 1}])
    place.api.wait_status(first, "running")
    [second] = place.api.create_many([{"command": "true", "cpu": 0.75}])
    [small] = place.run({"command": "true", "ramMb": 300})
    assert small["status"] == "completed"
    assert [place.api.job(job)["status"] for job in (first, second)] == ["running", "assigned"]
    place.api.cancel(first)
    assert place.api.wait_ended([second])[0]["status"] == "completed"


def test_what_never_fits_waits_and_says_what_is_wanted_and_what_there_is(start: Start) -> None:
    place = start("watched", CPU_LIMIT="1", RAM_LIMIT="512")
    name = place.worker.name
    wide, large = place.api.create_many([{"command": "true", "cpu": 1.5}, {"command": "true", "ramMb": 513}])
    [fits] = place.run({"command": "true", "cpu": 1, "ramMb": 512})
    assert fits["status"] == "completed"
    assert [place.api.job(job)["waitingFor"] for job in (wide, large)] == [
        f"no worker has 1.5 cores; the largest, {name}, has 1",
        f"no worker has 513 MB of memory; the largest, {name}, has 512 MB",
    ]
    assert [place.api.cancel(job)["status"] for job in (wide, large)] == ["cancelled", "cancelled"]


def test_neither_a_large_job_nor_the_small_ones_that_pass_it_wait_for_ever(start: Start) -> None:
    """While one job does not end, a large one waits beside it, and small ones get their turns with nothing else to wake
    the worker; then the large one starts."""
    place = start("watched", CPU_LIMIT="1", FIT_PATIENCE_SEC="100ms")
    [endless] = place.api.create_many([{"command": "sleep 600", "cpu": 0.5}])
    place.api.wait_status(endless, "running")
    [large] = place.api.create_many([{"command": "true", "cpu": 1}])
    for _ in range(3):
        [small] = place.run({"command": "sleep 0.1", "cpu": 0.5})
        assert small["status"] == "completed"
    assert place.api.job(large)["status"] == "assigned"
    place.api.cancel(endless)
    assert place.api.wait_ended([large], 20)[0]["status"] == "completed"


def test_what_is_too_large_for_one_worker_waits_for_the_other(start: Start) -> None:
    """The other one has no slot free at first."""
    place = start("watched", CPU_LIMIT="0.25")
    roomy = Worker(place.server, "roomy", slots=1, LIMITS="watched")
    with ends(roomy):
        roomy.start(place.api)
        large = told_of(roomy, place.api)["workerId"]
        [busy] = place.api.create_many([{"command": "sleep 600", "cpu": 0.5}])
        place.api.wait_status(busy, "running")
        wide = place.api.create_many([{"command": "true", "cpu": 0.5}] * 4)
        busy_words = "the one worker that has 0.5 cores, roomy, is busy"
        until(lambda: busy_words in (place.api.job(wide[-1])["waitingFor"] or ""), "it is said what they wait for")
        place.api.cancel(busy)
        for job in place.api.wait_ended(wide, 20):
            assert (job["status"], job["workerId"], job["attempt"]) == ("completed", large, 1), job
        assert roomy.stop() == 0
