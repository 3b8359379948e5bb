"""A line as bad as lines are: up to two seconds late, 8 KB a second in slices of 64 bytes, and broken off in the midst
of what the server says."""

from tests.support.cases.load import Load, planned
from tests.support.cases.world import World, must_be, whole

LEASE_SEC = 30.0
"""Half of what is shipped. An answer may be four seconds on its way, and a worker that polls waits for it for a quarter
of its lease."""

_LATEST_SEC, _SLICE_BYTES, _BYTES_PER_SEC = 2.0, 64, 8 * 1024
_PHASES, _BREAKS = 3, 2


def far_and_broken(world: World) -> None:
    """A worker's socket, another's HTTP calls and all that people ask take that line; how late it is changes."""
    rng = world.rng
    phases = [(rng.uniform(0, _LATEST_SEC), rng.uniform(1.5, 3.0)) for _ in range(_PHASES)]
    sizes = [[[int(2 ** rng.uniform(0, 11)) for _ in range(_BREAKS)] for _ in range(3)] for _ in phases]
    plan = planned(world, 6, over=2.0, on_lost=("hold", "requeue"), follows=0.4, longest=25)
    by_socket, by_calls, people = proxies = world.proxy(), world.proxy(), world.proxy()
    by_calls.block("refuse 403")
    world.worker("far", url=by_socket.url)
    world.worker("polls", url=by_calls.url, SOCKET_RETRY_SEC="60s", POLL_WAIT_SEC="2s")
    with Load(world, plan, people.url):
        for (latency, length), breaks in zip(phases, sizes, strict=True):
            world.fault(f"all is {latency:.2f} s late, and {3 * _BREAKS} connections break")
            for proxy, its in zip(proxies, breaks, strict=True):
                proxy.far(latency, slice_bytes=_SLICE_BYTES, bytes_per_sec=_BYTES_PER_SEC)
                proxy.break_off(*its)
            world.passes(length)
    broken = sum(proxy.broken for proxy in proxies)
    for proxy in proxies:
        proxy.break_off()
        proxy.slow()
    world.faults += broken
    stored = world.settle()
    assert broken >= 3, f"{broken} connections broke"
    must_be(stored, lambda job: job.on_lost != "hold" or len(job.ran) <= 1, "none with `hold` ran twice")
    must_be(stored, lambda job: job.on_lost != "hold" or whole(job), "all output of those is there")
