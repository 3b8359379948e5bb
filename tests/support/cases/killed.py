"""kill -9, at random instants: of the server, and of a worker, while jobs come, write, are followed and cancelled."""

from tests.support.cases.load import Load, planned
from tests.support.cases.world import World, must_be, untouched, whole
from tests.support.proc import with_marker
from tests.support.waiting import until

LONG_AWAY = 0.2
"""How often a killed server is not started again at once."""


def server_killed(world: World) -> None:
    """Nothing of it costs a job anything: the workers go on, and deliver when it is back. Now and then it is away for
    longer than a lease."""
    rng = world.rng
    kills = [rng.uniform(0.1, 1.5) for _ in range(rng.choice((1, 1, 2, 3)))]
    away = [rng.uniform(1.0, 1.5) * world.lease_sec if rng.random() < LONG_AWAY else 0.0 for _ in kills]
    plan = planned(world, 15, over=0.8 + sum(kills) + 0.8 * len(kills))
    for name in ("one", "two"):
        world.worker(name)
    with Load(world, plan):
        for after, gone in zip(kills, away, strict=True):
            world.passes(after)
            world.fault(f"kill -9 of the server, for {gone:.2f} s" if gone else "kill -9 of the server")
            world.server.kill9()
            world.passes(gone)
            world.server.start()
    stored = world.settle()
    must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, whole, "all output of what ended by itself is there")


def worker_killed(world: World) -> None:
    """Its jobs die with it, within two seconds, and are not run again; what had not begun runs later."""
    kills = [world.rng.uniform(0.3, 1.2) for _ in range(world.rng.choice((1, 1, 2, 3)))]
    plan = planned(world, 12, over=0.8 + sum(kills) + 1.0 * len(kills))
    worker = world.worker("one", slots=4)
    marker = str(world.ledger.path)
    with Load(world, plan):
        for after in kills:
            world.passes(after)
            world.fault("kill -9 of the worker")
            worker.kill9()
            until(lambda: not with_marker(marker), "no process of its jobs is alive", within=2)
            worker.start(world.api("looker"))
    must_be(world.settle(), lambda job: len(job.ran) <= 1, "none ran twice")
