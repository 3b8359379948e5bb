"""W1: short jobs, as many a second as one local worker runs."""

import statistics

from cmdexec.admin.bench import batch
from cmdexec.admin.bench.figures import Figure, Measured, medians
from cmdexec.admin.bench.floor import processes_per_sec
from cmdexec.admin.bench.processes_posix import Processes
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, slots_of, with_worker

OURS = ("server", "worker", "warden")


async def measure(bench: Bench) -> Measured:
    """Each run between two floors, and the median of the pairs."""
    count = bench.plan.size(2000, quick=40)
    async with with_worker(bench, slots=bench.plan.slots) as (server, processes):
        await warmed_up(bench, server, processes)
        about = {"jobs": count, "slots": await slots_of(server)}
        pairs = [await _pair(bench, server, processes, count, number) for number in range(bench.plan.pairs)]
    middle = medians(pairs)
    bench.rates["W1"] = middle["ratio"]
    ours = sum(middle[name] for name in OURS)
    figures = {
        "throughput": Figure(middle["jobs_per_sec"], "jobs/s", middle["floor_per_sec"], middle["ratio"]),
        "cpu": Figure(ours, "µs a job", middle["child"], middle["cpu_ratio"]),
    }
    notes = [
        "CPU of a job in µs: " + ", ".join(f"{name} {middle[name]:.0f}" for name in (*OURS, "child")) + ".",
        f"{count} jobs a run, {about['slots']} slots.",
    ]
    return Measured(figures, about, pairs, notes)


async def warmed_up(bench: Bench, server: Serving, processes: Processes) -> None:
    """Run a few jobs first."""
    await batch.run(bench, server, processes, bench.plan.size(batch.WARM_UP, quick=20))


async def own_ratio(bench: Bench) -> float:
    """The ratio to the floor that this run has found, or finds now, with a few pairs."""
    if "W1" not in bench.rates:
        count = bench.plan.size(2000, quick=40)
        async with with_worker(bench, slots=bench.plan.slots) as (server, processes):
            await warmed_up(bench, server, processes)
            pairs = [await _pair(bench, server, processes, count, n) for n in range(min(3, bench.plan.pairs))]
        bench.rates["W1"] = statistics.median(pair["ratio"] for pair in pairs)
    return bench.rates["W1"]


async def _pair(bench: Bench, server: Serving, processes: Processes, count: int, number: int) -> dict[str, float]:
    clock = bench.runtime.clock
    before = await bench.blocking(lambda: processes_per_sec(count, clock))
    ran, job_ids = await batch.run(bench, server, processes, count)
    floor = (before + await bench.blocking(lambda: processes_per_sec(count, clock))) / 2
    await batch.check_outputs(server.client, job_ids)
    cpu_ratio = sum(ran.cpu[name] for name in OURS) / max(ran.cpu["child"], 1.0)
    ratio = ran.jobs_per_sec / floor
    bench.say(f"pair {number + 1}: {ran.jobs_per_sec:.0f} jobs/s, {ratio:.2f} of the floor, CPU {cpu_ratio:.2f}")
    return {
        "jobs_per_sec": ran.jobs_per_sec, "floor_per_sec": floor, "ratio": ratio, **ran.cpu, "cpu_ratio": cpu_ratio,
    }  # fmt: skip
