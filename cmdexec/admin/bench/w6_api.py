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
        status_load = {
            "paths": [f"/api/jobs/status?jobId={job_id}" for job_id in kept], "connections": _CONNECTIONS,
            "perSec": _PER_SEC, "count": bench.plan.size(10_000, quick=200),
        }  # fmt: skip
        list_load = {
            "connections": 1, "perSec": bench.plan.size(_LISTS_PER_SEC, quick=100),
            "count": bench.plan.size(50, quick=4),
        }  # fmt: skip
        loads = [status_load, *({"paths": [path], **list_load} for path in _LISTS)]
        status, *listed = await _called(bench, server, loads)
    lists = dict(zip(_LISTS, listed, strict=True))
    worst = max(lists, key=lambda path: percentile(lists[path], 0.99))
    figures = {
        "status_p99": Figure(percentile(status, 0.99), "ms"),
        "list": Figure(percentile(lists[worst], 0.99), "ms"),
    }
    notes = [f"GET {path}: median {percentile(took, 0.5):.1f} ms." for path, took in lists.items()]
    about = {"stored": stored, "per_sec": _PER_SEC, "connections": _CONNECTIONS, "slowest_list": worst}
    return Measured(figures, about | {"status_p50": percentile(status, 0.5)}, notes=notes)


async def _called(bench: Bench, server: Serving, loads: list[dict[str, Any]]) -> list[list[float]]:
    """How long each call of each load took, in ms. A tenth more goes before, and does not count."""
    access = await bench.blocking(partial(find_access, make(ClientSettings, data_dir=server.folder)))
    unheeded = [max(load["connections"], load["count"] // 10) for load in loads]
    longer = [load | {"count": load["count"] + more} for load, more in zip(loads, unheeded, strict=True)]
    found: list[list[float]] = []
    async with part(bench, "callers", url=server.url, token=access.token, loads=longer) as callers:
        for load, more in zip(loads, unheeded, strict=True):
            took = (await callers.said(_CALL_SEC))["took"][more:]
            found.append([one * 1000 for one in took])
            path = load["paths"][0].partition("?jobId")[0]
            bench.say(f"GET {path}: 99th percentile {percentile(found[-1], 0.99):.2f} ms")
    return found
