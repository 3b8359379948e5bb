"""SIGSTOP for longer than a lease, and SIGCONT: of a worker, and of the server."""

import signal

from tests.support.cases.load import Load, occupied, planned, taken_for_lost
from tests.support.cases.world import World, must_be, untouched, whole

WAKES_LATER_SEC = 0.5
"""How long after the server its workers wake."""


def worker_stopped(world: World) -> None:
    """Its warden goes on: it ends `requeue` jobs in time, and leaves the others, whose true end counts later."""
    rng = world.rng
    length, after = rng.uniform(1.2, 2.2) * world.lease_sec, rng.uniform(0.5, 1.5)
    plan = planned(world, 8, over=2.5, on_lost=("hold", "requeue"))
    stopped = world.worker("stopped")
    ids = occupied(world, length)
    world.worker("other", slots=4)
    with Load(world, plan):
        world.passes(after)
        world.fault(f"SIGSTOP of a worker for {length:.2f} s")
        stopped.send(signal.SIGSTOP)
        world.passes(length)
        taken_for_lost(world, ids)
        stopped.send(signal.SIGCONT)
    stored = world.settle()
    must_be(stored, lambda job: job.on_lost != "hold" or len(job.ran) <= 1, "none with `hold` ran twice")
    must_be(stored, lambda job: job.on_lost != "hold" or whole(job), "all output of those is there")


def server_stopped(world: World) -> None:
    """It judges no lease when it wakes: none of the jobs, which all `hold`, was ever given up. Where the whole machine
    sleeps, the workers stop before it and wake after it, so that nothing they said lies in its sockets."""
    rng = world.rng
    length, after, sleeps = rng.uniform(1.5, 3.0) * world.lease_sec, rng.uniform(0.5, 1.5), rng.random() < 0.5
    plan = planned(world, 12, over=2.5)
    made = [world.worker(name) for name in ("one", "two")]
    asleep = made if sleeps else []
    with Load(world, plan):
        world.passes(after)
        world.fault(f"SIGSTOP of the server{', and of its workers,' if sleeps else ''} for {length:.2f} s")
        for process in (*asleep, world.server):
            process.send(signal.SIGSTOP)
        world.passes(length)
        world.server.send(signal.SIGCONT)
        if sleeps:
            world.passes(WAKES_LATER_SEC)
        for process in asleep:
            process.send(signal.SIGCONT)
    stored = world.settle()
    must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, whole, "all output of what ended by itself is there")
