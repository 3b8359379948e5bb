"""Clocks that are wrong, that jump, and machines that sleep: what a job is owed does not depend on any of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from tests.support.cases.load import Load, occupied, planned
from tests.support.cases.machines import SERVER, Machines, jobs_of, warden_of
from tests.support.cases.world import must_be, untouched, whole
from tests.support.clocked import Sleep
from tests.support.proc import alive, children
from tests.support.system import Worker
from tests.support.waiting import until

HOUR, DAY = 3_600_000, 86_400_000
PLACES = (0, HOUR, -HOUR, DAY, -DAY)
"""How far a wall clock may be ahead, in milliseconds."""

_FLICKER_SEC = 0.05
_WORKERS = ("one", "two")


def wall_clocks_jump(world: Machines) -> None:
    """Wall clocks jump or flicker, under a server and its workers. Nothing is lost, nothing is run again, no time limit
    is hit, no worker is refused. What is due by the wall clock, or over by it, is so when that says it."""
    rng = world.rng
    first, moves, killed = [rng.choice(PLACES) for _ in _WORKERS], list(_moves(world)), rng.random() < 0.3
    world.dials[SERVER].set_wall(rng.choice(PLACES))
    plan = planned(world, 10, over=2.0, follows=0.0, longest=20, more={"timeoutSec": 60, "ttlSec": 3 * 86_400})
    for name, place in zip(_WORKERS, first, strict=True):
        world.worker_at(name, place)
    api = world.api("first")
    in_days = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    nobody = {"command": "true", "requires": {"is": "nowhere"}}
    later, patient = api.create_many([{"command": "true", "runAt": in_days}, nobody | {"ttlSec": 3 * 86_400}])
    world.passes(world.lease_sec / 2)  # with what the workers took to come, its leases are judged from now on
    with Load(world, plan):
        for after, name, places in moves:
            world.passes(after)
            world.fault(f"the wall clock of {name} jumps {len(places)} times: {', '.join(map(_shown, places[:2]))}")
            for place in places:
                world.dials[name].set_wall(place)
                world.passes(_FLICKER_SEC)
        if killed:
            world.fault("kill -9 of the server")
            world.server.kill9()
            world.server.start()
    stand = [job["status"] for job in api.jobs([later, patient])]
    assert stand == ["scheduled", "queued"], f"a day off makes neither two days nor three: {stand}"
    for job_id in (later, patient):
        api.cancel(job_id)
    world.latest()
    stored = world.settle()
    must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, whole, "all output of what ended by itself is there")
    must_be(stored, lambda job: job.reason in (None, "exit"), "none ended for a time limit")


def a_machine_sleeps(world: Machines) -> None:
    """For less than a lease: nobody notices. For longer: `hold` goes on where it was, `requeue` is ended at the wake,
    before it does anything more. The wall clock may be wrong from then on."""
    rng = world.rng
    length = world.lease_sec * rng.choice((rng.uniform(0.1, 0.4), rng.uniform(1.2, 2.2)))
    after, ahead, worker_first = rng.uniform(0.5, 1.5), rng.choice(PLACES), rng.random() < 0.5
    plan = planned(world, 8, over=2.5, on_lost=("hold", "requeue"), follows=0.0, locked=False)
    sleeper = world.worker_at("sleeper")
    occupied(world, length, locked=False)
    world.worker_at("other", slots=4)
    with Load(world, plan):
        world.passes(after)
        world.fault(f"the machine of a worker sleeps for {length:.2f} s, and wakes {_shown(ahead)}")
        _sleeps(world, sleeper, length, ahead, worker_first=worker_first)
    stored = world.settle()
    if length < world.lease_sec:
        must_be(stored, untouched, "each ran once, and its lease was never over")
    must_be(stored, lambda job: job.on_lost != "hold" or len(job.ran) <= 1, "none with `hold` ran twice")
    must_be(stored, lambda job: job.on_lost != "hold" or whole(job), "all output of those is there")


def _sleeps(world: Machines, worker: Worker, length: float, ahead_ms: int, *, worker_first: bool) -> None:
    """The warden wakes first, alone, or with the worker; and then the jobs: those whose lease is over must be dead by
    then, without having done anything more."""
    warden, dial = warden_of(worker), world.dials[worker.name]
    sleep = Sleep(dial, [worker.pid], lambda: children(worker.pid))
    jobs = jobs_of(sleep.stopped)
    world.passes(length)
    sleep.end()
    dial.set_wall(ahead_ms)
    Sleep.wake(*((worker.pid, warden) if worker_first else (warden,)))
    if length > world.lease_sec:
        known = world.api("looker").jobs(sorted(set(jobs.values())))
        leased = {job["jobId"] for job in known if job["onLost"] == "requeue"}
        over = [pid for pid, job_id in jobs.items() if job_id in leased]
        until(lambda: not any(map(alive, over)), "what may run elsewhere is killed at the wake", within=10)
    Sleep.wake(*sleep.stopped)


def _moves(world: Machines) -> Iterator[tuple[float, str, list[int]]]:
    """(seconds after the one before, whose clock, where it jumps): one jump, or many to and fro."""
    rng = world.rng
    for _ in range(rng.randint(1, 4)):
        name = rng.choice((SERVER, SERVER, *_WORKERS))
        pair = rng.sample(PLACES, 2)
        times = rng.randint(8, 20) if rng.random() < 0.3 else 1
        yield rng.uniform(0.1, 1.0), name, list(islice(cycle(pair), times))


def _shown(ahead_ms: int) -> str:
    return f"{ahead_ms / HOUR:+.0f} h" if ahead_ms else "right"
