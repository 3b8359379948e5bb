"""The simulated world: time that jumps, a network that cannot be trusted, and the ledger of what really ran.

Everything random comes from one seeded generator, so a seed is a run.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LEASE, MARGIN, HEARTBEAT = 6.0, 2.0, 1.5
KILL_MAX = 1.0
"""The longest a kill takes; less than MARGIN, or a worker could not keep its deadline."""

FAULTS_UNTIL = 70.0
"""From then on nothing goes wrong any more, and every job has to come to its end."""

LOST_TIMEOUT = 40.0
END = 400.0

Act = Callable[..., None]


class Violation(AssertionError):
    """A promise was broken."""


@dataclass
class Process:
    """One process as the ledger outside the system saw it. `exit_code` None: killed, or still alive."""

    job_id: str
    attempt: int
    worker: int
    started: float
    exit_code: int | None = None
    ended: float | None = None


@dataclass
class Faults:
    """How bad a world is; each seed draws its own."""

    drop: float = 0.0
    double: float = 0.0
    late: float = 0.0
    crash_midway: float = 0.0
    stale_read: float = 0.0

    @staticmethod
    def drawn(rng: random.Random) -> "Faults":
        level = rng.choice((0.0, 0.02, 0.1, 0.3))
        return Faults(level * rng.random(), level * rng.random(), level * rng.random(), 0.05 * level, level)


@dataclass
class World:
    """Time, network and ledger."""

    seed: int
    now: float = 0.0
    epoch: int = 0
    rng: random.Random = field(init=False)
    faults: Faults = field(init=False)
    queue: list[tuple[float, int, Act, tuple[Any, ...]]] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    cut: dict[int, float] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    frozen_until: dict[int, float] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    _order: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.faults = Faults.drawn(self.rng)

    @property
    def faulty(self) -> bool:
        return self.now < FAULTS_UNTIL

    def after(self, delay: float, act: Act, *args: Any) -> None:
        """Let `act` happen in `delay` seconds."""
        self._order += 1
        heapq.heappush(self.queue, (self.now + delay, self._order, act, args))

    def send(self, worker: int, act: Act, *args: Any) -> None:
        """Carry a message between the server and a worker: late, twice, out of order, or never.

        What is under way when the server dies is gone: its connections are.
        """
        rng, faults = self.rng, self.faults
        for _ in range(2 if self.faulty and rng.random() < faults.double else 1):
            if self.faulty and (rng.random() < faults.drop or self.cut.get(worker, 0) > self.now):
                self.seen["dropped"] += 1
                continue
            late = self.faulty and rng.random() < faults.late
            delay = rng.uniform(0, 2.5 * LEASE) if late else rng.uniform(0.001, 0.03)
            self.after(delay, self._arrive, self.epoch, act, args)

    def _arrive(self, epoch: int, act: Act, args: tuple[Any, ...]) -> None:
        if epoch == self.epoch:
            act(*args)

    def run(self, done: Callable[[], bool]) -> None:
        """Until `done`, once the faults are over; at the latest until END."""
        while self.queue:
            at = self.queue[0][0]
            if at > END or (self.now >= FAULTS_UNTIL and done()):
                return
            _, _, act, args = heapq.heappop(self.queue)
            self.now = at
            act(*args)

    # The ledger -----------------------------------------------------------------------------------------------------

    def alive(self, job_id: str) -> list[Process]:
        return [one for one in self.processes if one.ended is None and one.job_id == job_id]

    def spawned(self, job_id: str, attempt: int, worker: int, requeue: bool) -> Process:
        """A process begins. At most one attempt of a job runs at once; with `requeue` a worker that was frozen past its
        deadline, and could not end its attempt, is the declared exception."""
        for other in self.processes:
            if other.job_id != job_id:
                continue
            if other.attempt == attempt:
                raise Violation(f"{job_id}: attempt {attempt} was spawned twice")
            if other.ended is None and job_id not in self.excused:
                slept = self.frozen_until.get(other.worker, -1.0) + KILL_MAX
                if not (requeue and other.attempt < attempt and slept >= self.now):
                    raise Violation(f"{job_id}: attempts {other.attempt} and {attempt} run at once")
                self.excused.add(job_id)
                self.seen["frozen overlap"] += 1
        process = Process(job_id, attempt, worker, self.now)
        self.processes.append(process)
        return process
