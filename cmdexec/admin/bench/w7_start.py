"""W7: how long starts take, and what idle processes hold."""

import statistics
import subprocess
from collections.abc import Sequence

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.figures import Figure, Measured
from cmdexec.admin.bench.processes_posix import pss_mb, rss_mb
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import serving, with_worker

_IDLE_SEC = 3.0


async def measure(bench: Bench) -> Measured:
    """Medians of starts on fresh folders; memory a few seconds after the worker has come."""
    times = bench.plan.size(7, quick=1)
    version = statistics.median([await bench.blocking(lambda: _version_sec(bench)) for _ in range(times)])
    starts = []
    for number in range(times):
        async with serving(bench) as server:
            starts.append(server.started_sec)
        bench.say(f"start {number + 1}: healthy after {starts[-1]:.2f} s")
    async with with_worker(bench) as (_, processes):
        await bench.runtime.clock.sleep(0.0 if bench.plan.quick else _IDLE_SEC)
        server_mb, exact = _memory([processes.server])
        worker_mb, _ = _memory([processes.worker, processes.warden])
    figures = {
        "version": Figure(version, "s"),
        "serve": Figure(statistics.median(starts), "s"),
        "server_idle": Figure(server_mb, "MB"),
        "worker_idle": Figure(worker_mb, "MB"),
    }
    notes = [] if exact else ["Memory is RSS: only root may know the PSS, which is smaller, of these processes."]
    return Measured(figures, {"starts": times, "memory": "pss" if exact else "rss"}, notes=notes)


def _version_sec(bench: Bench) -> float:
    clock = bench.runtime.clock
    began = clock.elapsed()
    ran = subprocess.run(bench.myself("--version"), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ran.returncode:
        raise failed(f"cmdexec --version ended with {ran.returncode}.")
    return clock.elapsed() - began


def _memory(pids: Sequence[int]) -> tuple[float, bool]:
    """(MB of all of them, whether as PSS)."""
    shares = [pss_mb(pid) for pid in pids]
    known = [share for share in shares if share is not None]
    if len(known) == len(pids):
        return sum(known), True
    return sum(rss_mb(pid) for pid in pids), False
