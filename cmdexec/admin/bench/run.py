"""Measures the workloads that are asked for, one after the other."""

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Any

from cmdexec.admin.bench.figures import Measured, judged
from cmdexec.admin.bench.registry import WORKLOADS, Workload
from cmdexec.admin.bench.setting import Bench


async def measure_all(bench: Bench, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Workload → what it gave, as `--json` tells it, in the order of the table. Raises CmdexecError (`bench_failed`)
    where something cannot be measured, or is wrong."""
    told = {}
    for workload in WORKLOADS:
        if workload.name in names:
            bench.say(f"{workload.name}: {workload.title}")
            measured: Measured = await _function(workload)(bench)
            told[workload.name] = judged(workload.name, measured)
    return told


def missed(told: dict[str, dict[str, Any]]) -> list[str]:
    """The figures that are not as they must be: `W1 cpu`."""
    return [
        f"{name} {figure}"
        for name, workload in told.items()
        for figure, one in workload["figures"].items()
        if not one["ok"]
    ]


def _function(workload: Workload) -> Callable[[Bench], Awaitable[Measured]]:
    module, _, name = workload.measure.partition(":")
    function: Callable[[Bench], Awaitable[Measured]] = getattr(import_module(module), name)
    return function
