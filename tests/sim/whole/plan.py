"""What will happen in a run: jobs and faults, as a list drawn from the seed. Each draws its own luck, so that leaving
one out changes nothing about the others."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FAULTS_UNTIL = 40.0
"""Seconds from the beginning after which nothing more goes wrong."""

KINDS = (
    *["kill worker"] * 3, *["freeze worker"] * 3, "suspend machine", "end worker", *["reboot"] * 2, *["cut"] * 2,
    *["break"] * 3, *["no sockets"] * 3, *["deaf"] * 2, *["mute"] * 2, *["slow network"] * 2, *["kill server"] * 3,
    "freeze server", *["store away"] * 2, *["slow store"] * 2, *["disk full"] * 2, "no room",
)  # fmt: skip
SERVERS_OWN = ("kill server", "freeze server", "store away", "slow store", "disk full")
"""What no worker has any part in."""

_LONGEST = {
    "slow network": 8.0,
    "slow store": 6.0,
    "store away": 10.0,
    "disk full": 10.0,
    "freeze server": 12.0,
    "no room": 3.0,
}
_LONG = 24.0
"""Four leases."""


@dataclass(frozen=True)
class Fault:
    """At `at` seconds something begins to go wrong, with the worker of that number where it is one's; for `lasts`."""

    at: float
    kind: str
    worker: int
    lasts: float

    def __str__(self) -> str:
        whose = "" if self.kind in SERVERS_OWN else f" {self.worker}"
        return f"at {self.at:6.3f} s: {self.kind}{whose}, for {self.lasts:.3f} s"


@dataclass(frozen=True)
class NewJob:
    """A job that is submitted at `at`; somebody may want it cancelled, or run again although it may run twice. `tries`:
    how often its submission is sent at most."""

    number: int
    at: float
    on_lost: Literal["hold", "requeue"]
    max_retries: int
    max_lost: int
    cancel_at: float | None
    requeue_at: float | None
    tries: int

    def __str__(self) -> str:
        wishes = [
            f"{what} at {at:.3f}" for what, at in (("cancel", self.cancel_at), ("requeue", self.requeue_at)) if at
        ]
        return (
            f"at {self.at:6.3f} s: job {self.number} on_lost={self.on_lost} max_retries={self.max_retries} "
            f"max_lost={self.max_lost} {' '.join(wishes)}".rstrip()
        )


@dataclass(frozen=True)
class Plan:
    """`seed` draws all that is not in it: what jobs write, and how long messages and commits take."""

    seed: int
    workers: int
    jobs: tuple[NewJob, ...]
    faults: tuple[Fault, ...]


def plan(seed: int) -> Plan:
    """The plan of that seed."""
    rng = random.Random(f"{seed} plan")
    workers = rng.randint(1, 3)
    jobs = tuple(_job(rng, number) for number in range(rng.randint(2, 14)))
    kinds = rng.choice((KINDS, KINDS, KINDS, SERVERS_OWN))
    faults = [_fault(rng, kinds, workers) for _ in range(rng.choice((0, 2, 4, 8, 16, 24)))]
    if rng.random() < 0.2:
        faults += [Fault(0.3, "no sockets", worker, FAULTS_UNTIL - 1.0) for worker in range(workers)]
    faults.sort(key=lambda one: one.at)
    return Plan(seed, workers, jobs, tuple(faults))


def _job(rng: random.Random, number: int) -> NewJob:
    at = rng.uniform(0, 15)
    return NewJob(
        number, at, rng.choice(("hold", "requeue")), rng.choice((0, 0, 2)), rng.choice((0, 3)),
        at + rng.choice((0.1, 1.0, 12.0)) * rng.random() if rng.random() < 0.4 else None,
        at + rng.uniform(0, 20) if rng.random() < 0.25 else None,
        rng.choice((1, 30, 30, 30)),
    )  # fmt: skip


def _fault(rng: random.Random, kinds: Sequence[str], workers: int) -> Fault:
    kind = rng.choice(kinds)
    lasts = rng.choice((0.3, 1.0)) * rng.random() * _LONGEST.get(kind, _LONG)
    return Fault(rng.uniform(0, FAULTS_UNTIL - lasts), kind, rng.randrange(workers), lasts)
