"""W4: very many queued jobs: what submitting and claiming cost then, and how fast they drain."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from cmdexec.admin.bench import batch
from cmdexec.admin.bench.bare_sqlite import inserts_per_sec
from cmdexec.admin.bench.claims import claim_sec
from cmdexec.admin.bench.figures import Figure, Measured
from cmdexec.admin.bench.floor import processes_per_sec
from cmdexec.admin.bench.processes_posix import rss_mb
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, serving, working
from cmdexec.admin.bench.w1_throughput import own_ratio
from cmdexec.client import NewJob

_COMMAND = ("sh", "-c", "echo $CMDEXEC_JOB_ID")
_UNMATCHED = NewJob(command=_COMMAND, requires={"bench": "nobody"}, priority=100)
"""No worker matches it, and it stands in front of all others."""

_LISTS = 10
_CLAIMS = 50
_CLAIM_JOBS = 2
_ROOM = {"MAX_QUEUED_PER_USER": "100000000"}
"""The only setting that is not as shipped: one user has all these jobs."""


async def measure(bench: Bench) -> Measured:
    """At depth 0, then deep, then deep behind jobs that nobody matches; then a worker comes."""
    plan = bench.plan
    depth, lists = plan.size(100_000, quick=2000, full=1_000_000), plan.size(_LISTS, quick=1)
    claims = plan.size(_CLAIMS, quick=3)
    own = await own_ratio(bench)
    async with serving(bench, settings=_ROOM) as server:
        await batch.submit(server.client, 2 * claims * _CLAIM_JOBS)
        claim_shallow = await claim_sec(bench, server, claims, _CLAIM_JOBS)
        floor_before = await _floor(bench, lists)
        shallow = await _submit_rate(bench, server, lists)
        floor = statistics.fmean((floor_before, await _floor(bench, lists)))
        before = rss_mb(server.pid)
        bench.say(f"submitting {depth:,} jobs (at first {shallow:,.0f} a second; bare SQLite {floor:,.0f})")
        job_ids = await batch.submit(server.client, depth)
        growth = rss_mb(server.pid) - before
        deep = await _submit_rate(bench, server, lists)
        claim_deep = await claim_sec(bench, server, claims, _CLAIM_JOBS)
        bench.say(f"submitting {depth:,} jobs that no worker matches (the others went in at {deep:,.0f} a second)")
        await batch.submit(server.client, depth, _UNMATCHED)
        claim_behind = await claim_sec(bench, server, claims, _CLAIM_JOBS)
        rate, bare = await _drained(bench, server, job_ids if plan.full else job_ids[: plan.size(10_000, quick=100)])
    figures = {
        "deep": Figure(deep, "jobs/s", shallow),
        "submit": Figure(shallow, "jobs/s", floor),
        "claim": Figure(claim_deep * 1000, "ms", claim_shallow * 1000),
        "claim_behind": Figure(claim_behind * 1000, "ms", claim_shallow * 1000),
        "growth": Figure(growth, "MB"),
        "drain": Figure(rate, "jobs/s", own * bare),
    }
    return Measured(figures, {"depth": depth, "w1_ratio": own})


async def _submit_rate(bench: Bench, server: Serving, lists: int) -> float:
    """Jobs a second by lists of 1,000, the median of them."""
    clock, took = bench.runtime.clock, []
    for _ in range(lists):
        began = clock.elapsed()
        await batch.submit(server.client, batch.LIST)
        took.append(clock.elapsed() - began)
    return batch.LIST / statistics.median(took)


async def _floor(bench: Bench, lists: int) -> float:
    runtime = bench.runtime

    def bare() -> float:
        with TemporaryDirectory(prefix="cmdexec-bench-", dir=bench.plan.folder) as folder:
            return inserts_per_sec(Path(folder), _COMMAND, lists, batch.LIST, runtime.clock, runtime.ids)

    return await bench.blocking(bare)


async def _drained(bench: Bench, server: Serving, job_ids: list[str]) -> tuple[float, float]:
    """(jobs a second from the first start to the last end; processes a second of the floor), of these jobs, the oldest
    ones, while all others wait behind and before them."""
    clock, count = bench.runtime.clock, bench.plan.size(2000, quick=40)
    floors = [await bench.blocking(lambda: processes_per_sec(count, clock))]
    bench.say(f"draining {len(job_ids):,} jobs")
    async with working(bench, server):
        await batch.ended(bench, server.client, job_ids)
        jobs = await batch.completed(server.client, job_ids)
    floors.append(await bench.blocking(lambda: processes_per_sec(count, clock)))
    first = min(batch.moment(job.started_at) for job in jobs)
    last = max(batch.moment(job.finished_at) for job in jobs)
    await batch.check_outputs(server.client, job_ids[: batch.LIST])
    return len(jobs) / (last - first), statistics.fmean(floors)
