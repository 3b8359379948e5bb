"""W4: very many queued jobs: what submitting and claiming cost then, and how fast they drain.

Two servers run side by side, one with few jobs and one with many, and are asked in turn: so what else the machine does
meanwhile concerns both.
"""

import statistics
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from cmdexec.admin.bench import batch
from cmdexec.admin.bench.bare_sqlite import BareSqlite
from cmdexec.admin.bench.claims import claiming
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

_LISTS = 15
_CLAIMS = 100
_CLAIM_JOBS = 2
_FEW = 100
_ROOM = {"MAX_QUEUED_PER_USER": "100000000"}
"""The only setting that is not as shipped: one user has all these jobs."""

Pairs = Sequence[tuple[float, ...]]


async def measure(bench: Bench) -> Measured:
    """Claims on many jobs, then behind as many that nobody matches; submissions; then a worker comes."""
    plan = bench.plan
    depth, claims = plan.size(100_000, quick=2000, full=1_000_000), plan.size(_CLAIMS, quick=3)
    own = await own_ratio(bench)
    async with serving(bench, settings=_ROOM) as shallow, serving(bench, settings=_ROOM) as deep:
        await batch.submit(deep.client, batch.LIST)
        before = rss_mb(deep.pid)
        bench.say(f"submitting {depth:,} jobs")
        job_ids = await batch.submit(deep.client, depth)
        growth = rss_mb(deep.pid) - before
        claimed = await _claims(bench, shallow, deep, claims)
        bench.say(f"submitting {depth:,} jobs that no worker matches")
        await batch.submit(deep.client, depth, _UNMATCHED)
        behind = await _claims(bench, shallow, deep, claims)
        submitted = await _submissions(bench, shallow, deep)
        drained = await _drained(bench, deep, job_ids if plan.full else job_ids[: plan.size(10_000, quick=40)])
    figures = {
        "deep": _set_against(submitted, 1, 0, batch.LIST, "jobs/s"),
        "submit": _set_against(submitted, 0, 2, batch.LIST, "jobs/s"),
        "claim": _set_against(claimed, 1, 0, None, "ms"),
        "claim_behind": _set_against(behind, 1, 0, None, "ms"),
        "growth": Figure(growth, "MB"),
        "drain": Figure(drained[0], "jobs/s", own * drained[1]),
    }
    return Measured(figures, {"depth": depth, "w1_ratio": own})


def _set_against(pairs: Pairs, one: int, other: int, count: int | None, unit: str) -> Figure:
    """Seconds that were taken in turn: as rates of `count`, or in ms. The ratio is the median of those of each turn."""
    ones, others = [pair[one] for pair in pairs], [pair[other] for pair in pairs]
    if count is None:
        ratio = statistics.median(pair[one] / pair[other] for pair in pairs)
        return Figure(statistics.median(ones) * 1000, unit, statistics.median(others) * 1000, ratio)
    ratio = statistics.median(pair[other] / pair[one] for pair in pairs)
    return Figure(count / statistics.median(ones), unit, count / statistics.median(others), ratio)


async def _claims(bench: Bench, shallow: Serving, deep: Serving, count: int) -> Pairs:
    """(seconds on few jobs, seconds on many) of each claim."""
    await batch.submit(shallow.client, _FEW + count * _CLAIM_JOBS)
    async with claiming(bench, shallow, _CLAIM_JOBS) as few, claiming(bench, deep, _CLAIM_JOBS) as many:
        return [(await few(), await many()) for _ in range(count)]


async def _submissions(bench: Bench, shallow: Serving, deep: Serving) -> Pairs:
    """(seconds on few jobs, seconds on many, seconds by bare SQLite) of each list of 1,000."""
    clock, pairs = bench.runtime.clock, []

    async def timed(server: Serving) -> float:
        began = clock.elapsed()
        await batch.submit(server.client, batch.LIST)
        return clock.elapsed() - began

    with TemporaryDirectory(prefix="cmdexec-bench-", dir=bench.plan.folder) as folder:
        with closing(BareSqlite(Path(folder), _COMMAND, bench.runtime)) as bare:
            for _ in range(bench.plan.size(_LISTS, quick=2)):
                floor = await bench.blocking(lambda: bare.insert_sec(batch.LIST))
                pairs.append((await timed(shallow), await timed(deep), floor))
    return pairs


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
