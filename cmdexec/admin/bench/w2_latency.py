"""W2: one job after the other on an idle system, from the call that submits it until its result is known."""

import statistics

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.figures import Figure, Measured, percentile
from cmdexec.admin.bench.floor import spawns_sec
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, with_worker
from cmdexec.client import NewJob

_WARM_UP = 20


async def measure(bench: Bench) -> Measured:
    """In pieces, each between two floors of as many single spawns."""
    count = bench.plan.size(200, quick=8)
    rounds = max(1, bench.plan.pairs)
    async with with_worker(bench) as (server, _):
        await _latencies(bench, server, bench.plan.size(_WARM_UP, quick=2))
        pairs = [await _pair(bench, server, max(4, count // rounds), number) for number in range(rounds)]
    took = [one for pair in pairs for one in pair[0]]
    spawn = statistics.median(pair[1] for pair in pairs) * 1000
    ratios = {share: percentile(took, share) * 1000 / spawn for share in (0.5, 0.99)}
    figures = {
        "p50": Figure(percentile(took, 0.5) * 1000, "ms", spawn, ratios[0.5]),
        "p99": Figure(percentile(took, 0.99) * 1000, "ms", spawn, ratios[0.99]),
    }
    told = [{"p50_ms": percentile(some, 0.5) * 1000, "spawn_ms": floor * 1000} for some, floor in pairs]
    return Measured(figures, {"jobs": len(took)}, told)


async def _pair(bench: Bench, server: Serving, count: int, number: int) -> tuple[list[float], float]:
    clock = bench.runtime.clock
    before = await bench.blocking(lambda: spawns_sec(count, clock))
    took = await _latencies(bench, server, count)
    after = await bench.blocking(lambda: spawns_sec(count, clock))
    spawn = percentile(before + after, 0.5)
    bench.say(f"part {number + 1}: {percentile(took, 0.5) * 1000:.2f} ms, {percentile(took, 0.5) / spawn:.1f} spawns")
    return took, spawn


async def _latencies(bench: Bench, server: Serving, count: int) -> list[float]:
    clock, took = bench.runtime.clock, []
    for _ in range(count):
        began = clock.elapsed()
        job = await server.client.submit(NewJob(command="echo hi"))
        end = await server.client.wait(job.job_id)
        took.append(clock.elapsed() - began)
        if end.status != "completed":
            raise failed(f"Job {end.job_id} is {end.status} ({end.reason}), and ought to be completed.")
    return took
