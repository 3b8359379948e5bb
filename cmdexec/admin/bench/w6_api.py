"""W6: what callers of the API wait for, on a store that holds very many jobs."""

from functools import partial
from pathlib import Path
from typing import Any

from cmdexec.admin.bench.figures import Figure, Measured, percentile
from cmdexec.admin.bench.parts import part
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, serving
from cmdexec.client import find_access
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import make

_CONNECTIONS = 16
_PER_SEC = 500
_FILL_SEC = 1800.0
_CALL_SEC = 120.0
_LISTS = (
    "/api/jobs?limit=100",
    "/api/jobs?status=failed&limit=100",
    "/api/jobs?status=failed&status=completed&limit=100",
    "/api/jobs?order=old&limit=100",
    "/api/jobs?from=-1h&limit=100",
)
"""What the page of jobs asks for, and the filters that people use."""
_LISTS_PER_SEC = 10


async def measure(bench: Bench) -> Measured:
    """The store is filled before the server starts, by another process, through the store's own insert."""
    stored = bench.plan.size(1_000_000, quick=2000)
    kept: list[str] = []

    async def fill(folder: Path) -> None:
        bench.say(f"storing {stored:,} jobs")
        async with part(bench, "stored", folder=str(folder), count=stored) as filling:
            kept.extend((await filling.said(_FILL_SEC))["jobIds"])

    async with serving(bench, prepare=fill) as server:
        paths = [f"/api/jobs/status?jobId={job_id}" for job_id in kept]
        status = await _called(bench, server, paths, _PER_SEC, bench.plan.size(10_000, quick=200))
        bench.say(f"status: {percentile(status, 0.5):.2f} ms, 99th percentile {percentile(status, 0.99):.2f} ms")
        lists = {
            path: await _called(bench, server, [path], _LISTS_PER_SEC, bench.plan.size(50, quick=4), connections=1)
            for path in _LISTS
        }
    worst = max(lists, key=lambda path: percentile(lists[path], 0.99))
    figures = {
        "status_p99": Figure(percentile(status, 0.99), "ms"),
        "list": Figure(percentile(lists[worst], 0.99), "ms"),
    }
    notes = [f"GET {path}: median {percentile(took, 0.5):.1f} ms." for path, took in lists.items()]
    about = {"stored": stored, "per_sec": _PER_SEC, "connections": _CONNECTIONS, "slowest_list": worst}
    return Measured(figures, about | {"status_p50": percentile(status, 0.5)}, notes=notes)


async def _called(
    bench: Bench, server: Serving, paths: list[str], per_sec: int, count: int, connections: int = _CONNECTIONS
) -> list[float]:
    """How long each call took, in ms; one in ten more goes before them and does not count."""
    access = await bench.blocking(partial(find_access, make(ClientSettings, data_dir=server.folder)))
    told: dict[str, Any] = {
        "url": server.url, "token": access.token, "paths": paths, "connections": connections, "perSec": per_sec,
    }  # fmt: skip
    unheeded = max(connections, count // 10)
    async with part(bench, "callers", **told, count=count + unheeded) as callers:
        took: list[float] = (await callers.said(_CALL_SEC))["took"]
    return [one * 1000 for one in took[unheeded:]]
