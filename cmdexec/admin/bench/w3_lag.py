"""W3b: how long a line takes from the program that prints it to the client that follows, while it is stored."""

import sys

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.figures import Figure, Measured, percentile
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import with_worker
from cmdexec.client import NewJob, Piece, follow

_PROGRAM = """\
import sys, time
for _ in range(int(sys.argv[1])):
    print(time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)
    time.sleep(0.01)
"""
"""Each line is the moment of its printing, on the clock that the bench reads as well."""


async def measure(bench: Bench) -> Measured:
    """A line each 10 ms; the first ones, while things begin to move, are left out."""
    count, left_out = bench.plan.size(500, quick=30), bench.plan.size(50, quick=5)
    async with with_worker(bench) as (server, _):
        job = await server.client.submit(NewJob(command=(sys.executable, "-c", _PROGRAM, str(count))))
        lags, rest = [], b""
        async for one in follow(server.client, job.job_id):
            if not isinstance(one, Piece) or one.stream != "stdout":
                continue
            now = bench.runtime.clock.elapsed()
            *lines, rest = (rest + one.data).split(b"\n")
            lags += [(now - float(line)) * 1000 for line in lines]
    if len(lags) != count:
        raise failed(f"{count} lines were printed, and {len(lags)} came.")
    lags = lags[left_out:]
    figures = {"p50": Figure(percentile(lags, 0.5), "ms"), "p99": Figure(percentile(lags, 0.99), "ms")}
    return Measured(figures, {"lines": len(lags)})
