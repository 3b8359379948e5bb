"""W5: workers that are connected and idle."""

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.figures import Figure, Measured
from cmdexec.admin.bench.parts import part
from cmdexec.admin.bench.processes_posix import allow_files, cpu_of, rss_mb
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import serving

_CONNECT_SEC = 300.0
_SETTLE_SEC = 5.0
_WATCH_SEC = 30.0
"""Three heartbeats of each."""


async def measure(bench: Bench) -> Measured:
    """Their sockets are real, and in one other process."""
    count = bench.plan.size(1000, quick=20, full=10_000)
    watch = 1.0 if bench.plan.quick else _WATCH_SEC
    clock = bench.runtime.clock
    allow_files(2 * count + 1000)
    room = {"MAX_CONNECTIONS": str(count + 1000)}
    async with serving(bench, settings=room if count > 5000 else {}) as server:
        await server.client.health()
        before = rss_mb(server.pid)
        async with part(bench, "fleet", url=server.url, secret=server.secret, count=count) as fleet:
            await fleet.said(_CONNECT_SEC)
            bench.say(f"{count} workers are connected; watching the server for {watch:g} s")
            await clock.sleep(0.0 if bench.plan.quick else _SETTLE_SEC)
            used, began = cpu_of(server.pid).own, clock.elapsed()
            await clock.sleep(watch)
            share = (cpu_of(server.pid).own - used) / (clock.elapsed() - began)
            memory = (rss_mb(server.pid) - before) * 1000 / count
            online = sum(worker.state == "online" for worker in await server.client.workers())
    if online != count:
        raise failed(f"{count} workers connected, and {online} of them are online in the server's eyes.")
    figures = {"cpu": Figure(share * 100, "%"), "memory": Figure(memory, "KB")}
    return Measured(figures, {"workers": count, "seconds": watch})
