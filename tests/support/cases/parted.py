"""A worker that the network parts from its server: for less than a lease, and for longer."""

from tests.support.cases.load import Load, occupied, planned, taken_for_lost
from tests.support.cases.world import World, must_be, untouched, whole
from tests.support.pair import BOTH

_POLICIES = ("hold", "requeue")


def parted_for_a_moment(world: World) -> None:
    """Nobody notices but by the delay: no attempt is used up. Both ways, or one of them, hold everything; a worker ends
    its `requeue` jobs a quarter of a lease before that is over, counted from its last renewal."""
    rng = world.rng
    breaks = [(rng.choice((("there",), ("back",), BOTH)), rng.uniform(0.2, 0.4 * world.lease_sec)) for _ in range(2)]
    pauses = [rng.uniform(0.8, 1.5) for _ in breaks]
    plan = planned(world, 12, over=2.0 + sum(pauses), on_lost=_POLICIES)
    proxy = world.proxy()
    world.worker("far", url=proxy.url)
    world.worker("near")
    with Load(world, plan):
        for pause, (directions, length) in zip(pauses, breaks, strict=True):
            world.passes(pause)
            world.fault(f"nothing passes {' or '.join(directions)} for {length:.2f} s")
            proxy.hold(*directions)
            world.passes(length)
            proxy.resume()
    stored = world.settle()
    must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, whole, "all output of what ended by itself is there")


def parted_for_long(world: World) -> None:
    """`hold`: it runs on and is told late. `requeue`: it is dead before it begins elsewhere. The break is silent, or
    said by a reset and refused connections."""
    rng = world.rng
    silent, length, after = rng.random() < 0.5, rng.uniform(1.5, 3.5) * world.lease_sec, rng.uniform(0.5, 1.5)
    plan = planned(world, 8, over=2.5, on_lost=_POLICIES)
    proxy = world.proxy()
    world.worker("far", url=proxy.url)
    ids = occupied(world, length)
    world.worker("near", slots=4)
    with Load(world, plan):
        world.passes(after)
        world.fault(f"{'nothing passes' if silent else 'connections are reset'} for {length:.2f} s")
        if silent:
            proxy.hold(*BOTH)
        else:
            proxy.part()
        world.passes(length)
        taken_for_lost(world, ids)
        if silent:
            proxy.resume()
        else:
            proxy.mend()
    stored = world.settle()
    must_be(stored, lambda job: job.on_lost != "hold" or len(job.ran) <= 1, "none with `hold` ran twice")
    must_be(stored, lambda job: job.on_lost != "hold" or whole(job), "all output of those is there")
