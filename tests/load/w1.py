"""How many short jobs a second: `python -m tests.load.w1 [--pairs 7] [--jobs 2000] [--slots N] [--json]`.

Jobs are submitted by the batch call to `cmdexec serve --with-worker` as it is shipped, and the output of each is
checked. Machines differ and drift, so each run stands between two runs of a floor, bare process creation on the same
cores, and counts as its ratio to their mean; the median of the pairs is the result. Beside it stands the processor time
of a job, which a busy machine changes less. docs/measuring.md says what the figures mean.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from cmdexec.settings.load import make
from cmdexec.settings.worker import WorkerSettings
from tests.load.processes import Cpu, child_with, cpu_of, pss_bytes
from tests.support.api import ENDED, Api
from tests.support.proc import children
from tests.support.system import Server, ends, workers
from tests.support.waiting import until

JOB = {"command": ["sh", "-c", "echo $CMDEXEC_JOB_ID"]}
BATCH = 1000
WARM_UP = 300
LAST = 8
"""So many of the last jobs have to have ended before the rest is asked for."""
WITHIN_SEC = 600
LOOK_SEC = 0.25
"""How often that is looked for, at one job until that has ended: more would be a load of its own."""


@dataclass(frozen=True)
class Pair:
    """One run between two floors.

    jobs_per_sec, floor_per_sec, ratio   the floor is the mean of the one before and the one after
    server, worker, warden, child        processor time of a job in µs; child: the job's own process
    cpu_ratio                            that of the first three to that of the child
    """

    jobs_per_sec: float
    floor_per_sec: float
    ratio: float
    server: float
    worker: float
    warden: float
    child: float
    cpu_ratio: float


@dataclass(frozen=True)
class System:
    """The three processes."""

    server: int
    worker: int
    warden: int

    def cpu(self) -> tuple[Cpu, Cpu, Cpu]:
        return cpu_of(self.server), cpu_of(self.worker), cpu_of(self.warden)


def floor(count: int) -> float:
    """Processes a second of `xargs -P2` over `sh -c 'echo x'`."""
    numbers = "".join(f"{number}\n" for number in range(count))
    began = time.perf_counter()
    subprocess.run(
        ["xargs", "-P2", "-n1", "sh", "-c", "echo x"], input=numbers, text=True, stdout=subprocess.DEVNULL, check=True
    )
    return count / (time.perf_counter() - began)


def submit(api: Api, count: int) -> list[str]:
    job_ids: list[str] = []
    while len(job_ids) < count:
        job_ids += api.create_many([JOB] * min(BATCH, count - len(job_ids)))
    return job_ids


def check_outputs(api: Api, job_ids: Sequence[str]) -> None:
    """Each wrote its own id, and that is what is stored."""
    connection = HTTPConnection(api.host, api.port, timeout=30)
    try:
        for job_id in job_ids:
            connection.request("GET", f"/api/jobs/{job_id}/output", headers={"Authorization": f"Bearer {api.token}"})
            output = connection.getresponse().read()
            assert output == f"{job_id}\n".encode(), f"{job_id} wrote {output!r}"
    finally:
        connection.close()


def run(api: Api, system: System, count: int) -> tuple[float, list[float]]:
    """(jobs a second from the first submission to the last end; µs of server, worker, warden and child a job)."""
    before, began = system.cpu(), datetime.now(UTC)
    job_ids = submit(api, count)
    until(lambda: api.job(job_ids[-1])["status"] in ENDED, "the last one has ended", WITHIN_SEC, LOOK_SEC)
    last = job_ids[-LAST:]
    until(lambda: all(job["status"] in ENDED for job in api.jobs(last)), "the last have ended", WITHIN_SEC, LOOK_SEC)
    server, worker, warden = (after - old for after, old in zip(system.cpu(), before, strict=True))
    jobs = api.wait_ended(job_ids)
    assert {job["status"] for job in jobs} == {"completed"}
    check_outputs(api, job_ids)
    took = datetime.fromisoformat(max(job["finishedAt"] for job in jobs)) - began
    used = (server.own, worker.own, warden.own, warden.ended_children)
    return count / took.total_seconds(), [seconds / count * 1e6 for seconds in used]


def pair(api: Api, system: System, count: int) -> Pair:
    before = floor(count)
    rate, (server, worker, warden, child) = run(api, system, count)
    mean = (before + floor(count)) / 2
    cpu_ratio = (server + worker + warden) / max(child, 1.0)
    return Pair(rate, mean, rate / mean, server, worker, warden, child, cpu_ratio)


def median(pairs: Sequence[Pair]) -> Pair:
    """Of each figure by itself."""
    return Pair(*(statistics.median(getattr(one, field.name) for one in pairs) for field in fields(Pair)))


def shown(name: str, pair: Pair) -> str:
    return (
        f"{name:>6} {pair.jobs_per_sec:7.0f} {pair.floor_per_sec:8.0f} {pair.ratio:7.2f} {pair.server:9.0f}"
        f" {pair.worker:7.0f} {pair.warden:7.0f} {pair.child:6.0f} {pair.cpu_ratio:10.2f}"
    )


HEAD = "  pair  jobs/s  floor/s   ratio  µs: server  worker  warden  child  CPU ratio"


def started(folder: Path, slots: int | None) -> Server:
    """`cmdexec serve --with-worker` as it is shipped; the reserve of its disk too, unlike elsewhere in tests."""
    stated = {} if slots is None else {"SLOTS": str(slots)}
    return Server(folder, "--with-worker", DISK_RESERVE_BYTES="256MiB", **stated).start()


def system_of(server: Server, api: Api) -> System:
    """Its processes, once the worker is online."""
    until(lambda: any(worker["state"] == "online" for worker in workers(api)), "the worker is online", 30)
    worker = until(lambda: child_with(server.pid, "worker"), "the worker's process")
    (warden,) = children(worker)
    return System(server.pid, worker, warden)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    server = started(folder, options.slots)
    with ends(server):
        api = server.api()
        system = system_of(server, api)
        idle = {name: round(pss_bytes(pid) / 1e6, 1) for name, pid in asdict(system).items()}
        run(api, system, min(WARM_UP, options.jobs))
        slots = options.slots or make(WorkerSettings, data_dir=folder).slots
        if not options.json:
            print(f"{options.jobs} jobs a run, {slots} slots, {os.cpu_count()} cores; idle PSS in MB: {idle}\n{HEAD}")
        pairs: list[Pair] = []
        for number in range(options.pairs):
            pairs.append(pair(api, system, options.jobs))
            if not options.json:
                print(shown(str(number + 1), pairs[-1]), flush=True)
        if not options.json:
            print(shown("median", median(pairs)))
        server.stop()
    told = {"jobs": options.jobs, "slots": slots, "cores": os.cpu_count(), "idle_pss_mb": idle}
    return told | {"pairs": [asdict(one) for one in pairs], "median": asdict(median(pairs))}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.w1", description="How many short jobs a second.")
    parser.add_argument("--pairs", type=int, default=7, help="runs, each between two floors (default: 7)")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of a run (default: 2000)")
    parser.add_argument("--slots", type=int, help="how many jobs run at once (default: as shipped)")
    parser.add_argument("--dir", type=Path, default=Path.home(), help="where data may lie (default: the home folder)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cmdexec-w1-", dir=options.dir) as folder:
        told = measure(options, Path(folder))
    if options.json:
        print(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
