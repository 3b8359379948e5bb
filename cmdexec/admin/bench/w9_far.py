"""W9: the jobs of W1 on a worker to which everything takes 20 ms each way."""

import statistics
from urllib.parse import urlsplit

from cmdexec.admin.bench import batch
from cmdexec.admin.bench.figures import Figure, Measured, medians
from cmdexec.admin.bench.parts import part
from cmdexec.admin.bench.processes_posix import Processes
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving, serving, slots_of, working
from cmdexec.admin.bench.w1_throughput import warmed_up

DELAY_SEC = 0.02
_RELAY_SEC = 20.0


async def measure(bench: Bench) -> Measured:
    """Each run on the far worker stands between two on a near one, of a server of its own."""
    count = bench.plan.size(2000, quick=20)
    async with serving(bench) as near, serving(bench) as far:
        port = urlsplit(far.url).port
        async with part(bench, "relay", port=port, delaySec=DELAY_SEC) as relay:
            url = f"http://127.0.0.1:{(await relay.said(_RELAY_SEC))['port']}"
            async with working(bench, near) as near_by, working(bench, far, url=url) as far_off:
                await warmed_up(bench, near, near_by)
                await warmed_up(bench, far, far_off)
                about = {"jobs": count, "slots": await slots_of(far), "delay_ms": DELAY_SEC * 1000}
                pairs = []
                for number in range(bench.plan.pairs):
                    before = await _rate(bench, near, near_by, count)
                    rate = await _rate(bench, far, far_off, count)
                    own = statistics.fmean((before, await _rate(bench, near, near_by, count)))
                    bench.say(f"pair {number + 1}: far {rate:.0f} jobs/s, near {own:.0f}")
                    pairs.append({"jobs_per_sec": rate, "near_per_sec": own, "ratio": rate / own})
    middle = medians(pairs)
    figure = Figure(middle["jobs_per_sec"], "jobs/s", middle["near_per_sec"], middle["ratio"])
    return Measured({"far": figure}, about, pairs)


async def _rate(bench: Bench, server: Serving, processes: Processes, count: int) -> float:
    ran, job_ids = await batch.run(bench, server, processes, count)
    await batch.check_outputs(server.client, job_ids)
    return ran.jobs_per_sec
