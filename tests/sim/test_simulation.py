"""Servers, workers and a network that fail at random, from a seed: what is promised of jobs holds all the same.

The rules are the product's own (`model.transitions`, `model.attempt`, `model.lease`); the world around them is
simulated, and its ledger knows what really ran. One seed again: `simulate(417)`.
"""

from collections import Counter

from cmdexec.model.birth import queued
from cmdexec.model.job import Backoff, OnLost, Reason, Spec, Status
from tests.sim.server import Server
from tests.sim.worker import Worker
from tests.sim.world import FAULTS_UNTIL, LEASE, Violation, World

SEEDS = 1000
KINDS = (*["kill"] * 2, "reboot", "lost", *["freeze"] * 4, *["cut"] * 4, "hand back", "server", "server")


def simulate(seed: int) -> World:
    """One run. Raises Violation, with the seed, when a promise is broken."""
    world = World(seed)
    try:
        server = Server(world)
        workers = [Worker(world, index, server) for index in range(world.rng.randint(1, 4))]
        submit(world, server)
        plan_faults(world, server, workers)
        world.run(lambda: all(job.ended for job in server.jobs.values()) and not any(one.records for one in workers))
        judge(world, server, workers)
    except Violation as broken:
        raise Violation(f"seed {seed}: {broken}") from broken
    return world


def submit(world: World, server: Server) -> None:
    rng = world.rng
    for number in range(rng.randint(2, 10)):
        spec = Spec(
            "true",
            on_lost=rng.choice((OnLost.HOLD, OnLost.REQUEUE)),
            max_retries=rng.choice((0, 0, 2)),
            max_lost=rng.choice((0, 3)),
            backoff=Backoff(0.5, 4.0),
        )
        name, at = f"j{number}", rng.uniform(0, 30)

        def born(name: str = name, spec: Spec = spec) -> None:
            now = int(world.now * 1000)
            server.jobs[name] = queued(
                spec, job_id=name, owner="ann", submit_key=name, body_hash="", now=now, age_ms=1000
            )

        world.after(at, born)
        if rng.random() < 0.25:
            world.after(at + rng.uniform(0, 15), server.cancel, name)
        if rng.random() < 0.25:
            world.after(at + rng.uniform(5, 30), server.requeue, name)


def plan_faults(world: World, server: Server, workers: list[Worker]) -> None:
    """Deaths, freezes and cut networks, all over before FAULTS_UNTIL."""
    rng = world.rng
    for _ in range(rng.randint(0, 16)):
        at, worker = rng.uniform(0, FAULTS_UNTIL - 4 * LEASE), rng.choice(workers)
        match rng.choice(KINDS):
            case "freeze":
                world.after(at, worker.freeze, rng.uniform(0.5, 3 * LEASE))
            case "cut":
                world.after(at, world.cut.__setitem__, worker.index, at + rng.uniform(0.5, 3 * LEASE))
            case "hand back":
                world.after(at, worker.hand_back)
            case "server":
                world.after(at, server.die)
            case how:
                world.after(at, worker.die, how)


def judge(world: World, server: Server, workers: list[Worker]) -> None:
    """What must hold when all is quiet."""
    ledger = {(one.job_id, one.attempt): one for one in world.processes}
    for job in server.jobs.values():
        world.seen[f"ended {job.status} {job.reason or ''}".strip()] += 1
        if not job.ended:
            raise Violation(f"{job.job_id}: still {job.status} long after the faults were over")
        if world.alive(job.job_id):
            raise Violation(f"{job.job_id}: {job.status}, but a process of it is alive")
        spawns = sum(one.job_id == job.job_id for one in world.processes)
        once = job.spec.on_lost is OnLost.HOLD and not job.spec.max_retries and job.job_id not in world.excused
        if once and spawns > 1:
            raise Violation(f"{job.job_id}: started {spawns} times, and nobody asked for that")
        for run in job.attempts:
            process = ledger.get((job.job_id, run.number))
            if run.result is None or run.result.reason is Reason.START:
                continue
            if process is None:
                raise Violation(f"{job.job_id}: a result of attempt {run.number}, which never ran")
            if run.result.exit_code != process.exit_code:
                raise Violation(f"{job.job_id}: exit {run.result.exit_code} stored, {process.exit_code} in the ledger")
        if job.status is Status.COMPLETED and ledger[job.job_id, job.attempt].exit_code != 0:
            raise Violation(f"{job.job_id}: completed, but did not exit with 0")
    for worker in workers:
        if worker.records:
            raise Violation(f"{worker.name}: its spool still holds {sorted(worker.records)}")


WHERE_IT_HURTS = {
    "kill", "reboot", "lost", "freeze", "server died", "hand back", "dropped", "conflict", "frozen overlap",
    "taken back", "Start unknown", "Start ended", "NeverSpawned running", "NeverSpawned unknown", "Resume unknown",
    "Missing running", "Missing unknown", "Ended assigned", "Ended unknown", "Ended ended", "Declined assigned",
    "HandedBack running", "Dead unknown", "Dead ended", "Cancel running", "Cancel unknown", "LeaseOver assigned",
    "LeaseOver running", "LostTimeout unknown", "Requeue unknown", "Recall assigned",
    "ended completed", "ended cancelled", "ended failed exit", "ended failed lost", "ended failed worker",
    "ended failed start",
}  # fmt: skip
"""Faults, cells of the table and ends that a simulation has to have met before it proves anything."""


def test_promises_hold_whatever_fails() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        seen += simulate(seed).seen
    assert WHERE_IT_HURTS - set(seen) == set()


def test_a_seed_is_a_run() -> None:
    one, again = simulate(7), simulate(7)
    assert (one.seen, one.processes, one.now) == (again.seen, again.processes, again.now)
