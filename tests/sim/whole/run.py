"""One run of a seed, from its plan to the judgement; and the same with less in it, as long as it goes wrong."""

import atexit
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cmdexec.ids import Ids
from cmdexec.log import Log
from cmdexec.runtime import Inline, Runtime
from cmdexec.server.build import build
from cmdexec.server.folder import Folder
from tests.sim.whole.judge import Judge
from tests.sim.whole.loop import VirtualLoop
from tests.sim.whole.machine import Tell, Violation
from tests.sim.whole.plan import Plan, plan
from tests.sim.whole.runtime import VirtualClock
from tests.sim.whole.server import server_edges, server_settings
from tests.sim.whole.worker import worker_edges
from tests.sim.whole.world import World

_MEMORY = Path("/dev/shm")
_AFTERWARDS_SEC = 2.0
"""Seconds in which what is over is tidied up."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run. `lasted`: virtual seconds."""

    plan: Plan
    violation: Violation | None
    seen: Counter[str]
    lasted: float
    told: Tell


def simulate(seed: int) -> Outcome:
    """The run of that seed."""
    return run(plan(seed))


def run(what: Plan, *, story: bool = False) -> Outcome:
    """The run of that plan."""
    with _folder() as folder:
        world = World(what, folder, story=story)
        try:
            with server_edges(world.server.disk), worker_edges(world):
                world.loop.run_until_complete(_judged(world))
        finally:
            world.close()
        return Outcome(what, world.violation, world.seen, world.loop.time(), world.tell)


async def _judged(world: World) -> None:
    judge = Judge(world)
    try:
        await world.run(judge.quiet)
        await world.goes_on(_AFTERWARDS_SEC)
        await judge.judge()
    except Violation as broken:
        world.wrong("", broken)
    finally:
        await world.bury()
        await judge.close()


# A shorter story


def shortest(what: Plan, within_sec: float = 60.0) -> Plan:
    """What is left of a plan that goes wrong when one after the other is left out that is not needed for it."""
    until = time.monotonic() + within_sec
    smaller = True
    while smaller:
        smaller = False
        for part in ("faults", "jobs"):
            for one in getattr(what, part):
                if time.monotonic() > until:
                    return what
                less = replace(what, **{part: tuple(other for other in getattr(what, part) if other is not one)})
                if less.jobs and run(less).violation is not None:
                    what, smaller = less, True
    return what


def story_of(outcome: Outcome) -> str:
    """The shortest story of what went wrong: what was planned, what happened to the job, and how to see it again."""
    what = shortest(outcome.plan)
    told = run(what, story=True)
    wrong = told.violation or outcome.violation
    job = wrong.job if wrong is not None else None
    lines = [f"seed {what.seed}: {wrong}", "", "What is needed for it:"]
    lines += [f"  {one}" for one in (*what.jobs, *what.faults)]
    lines += ["", f"What happened{'' if job is None else f' to job {job}'}:"]
    lines += [f"  {line}" for line in _about(told.told, job)]
    again = f"PYTHONHASHSEED=0 python -m tests.sim.whole --first {what.seed} --seeds 1"
    return "\n".join([*lines, "", f"Again: {again}"])


def _about(told: Tell, job: int | None) -> Iterator[str]:
    """The lines about that job, and those about none."""
    ids = {
        what.rpartition(" ")[2]: number for _, who, what, number in told.lines if who == "person" and "answered" in what
    }
    mine = [name for name, number in ids.items() if number == job]
    for at, who, what, number in told.lines:
        if number is None and job is not None:
            named = any(name in what for name in mine)
            if not named and (who not in ("fault", "server") and "→" not in who and "worker" not in who):
                continue
            if "→" in who and not named:
                continue
        elif number != job and job is not None:
            continue
        for name, other in ids.items():
            what = what.replace(name, f"job-{other}")
        yield f"{at - 1000.0:9.4f}  {who}: {what}"


# Where it lives


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder in memory with the store of a server that has been started once before."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-sim-", dir=base))
    try:
        shutil.copytree(_template(), folder / "server")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _template() -> Path:
    """Made once: what a first start costs is not what simulations are about."""
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-sim-first-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    loop = VirtualLoop(lambda _what, _fault: None)
    clock, rng = VirtualClock(loop, 0.0), random.Random("first start")
    runtime = Runtime(clock, rng, Ids(clock, rng.randbytes), Log("cmdexec.simulated"), Inline(), rng.randbytes)

    async def start_once() -> None:
        parts = await build(server_settings(folder), runtime, Folder(folder, lambda: None))
        await parts.store.close()

    loop.run_until_complete(start_once())
    loop.close()
    return folder
