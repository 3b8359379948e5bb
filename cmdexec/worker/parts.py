"""Which of the waiting jobs may start beside those that run, by their parts of the machine.

A job that names no part always may. One whose part does not fit yet is passed by smaller ones for a while, then they
wait for it, and so on by turns that get longer: so it starts when all that run beside it end some time, and while one
of those never ends, the others get their turns too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cmdexec.worker.capacity import Capacity
from cmdexec.worker.held import HeldAttempt

_SLACK = 1e-6
"""Ten tenths of a core are one."""


@dataclass(frozen=True, slots=True)
class Part:
    """Cores and MB; 0: not named."""

    cpu: float
    ram_mb: int


def part_of(held: HeldAttempt) -> Part | None:
    """What the job names; None: nothing."""
    assignment = held.assignment
    if assignment is None or (assignment.cpu is None and assignment.ram_mb is None):
        return None
    return Part(assignment.cpu or 0.0, assignment.ram_mb or 0)


class Parts:
    """The parts of the jobs that run or are about to, within `capacity`.

    patience_sec  how long the first turn is, in which smaller ones pass
    """

    def __init__(self, capacity: Capacity, patience_sec: float) -> None:
        self.capacity = capacity
        self._turn_at: float | None = None
        self._patience_sec = patience_sec
        self._taken: dict[str, Part] = {}
        self._wanted: dict[str, Part] = {}
        self._first: str | None = None
        self._passing = True
        self._turn_sec = patience_sec

    def wait(self, held: HeldAttempt) -> None:
        """It waits to start."""
        if (part := part_of(held)) is not None:
            self._wanted[held.key] = part

    def take_up(self, held: HeldAttempt) -> None:
        """It runs, and has its part, whether or not that is free."""
        if (part := part_of(held)) is not None:
            self._taken[held.key] = part

    def leave(self, key: str) -> None:
        """It neither runs nor waits any more."""
        self._taken.pop(key, None)
        self._wanted.pop(key, None)

    @property
    def crowded(self) -> int:
        """How many wait whose part is not free: no slot helps them."""
        cpu, ram_mb = self._free()
        return sum(part.cpu > cpu or part.ram_mb > ram_mb for part in self._wanted.values())

    def next_turn(self, now: float) -> float | None:
        """When the next turn begins, if somebody waits for room; one that is over begins when a slot is free."""
        return self._turn_at if self._turn_at is not None and self._turn_at > now else None

    def choose(self, waiting: Mapping[str, HeldAttempt], count: int, now: float) -> list[str]:
        """The keys of at most so many that may start now; they have their parts from now on."""
        if not self._wanted:
            return list(waiting)[:count] if count < len(waiting) else list(waiting)
        chosen: list[str] = []
        first = None
        cpu, ram_mb = self._free()
        for key in waiting:
            if len(chosen) >= count:
                break
            part = self._wanted.get(key)
            if part is None:
                chosen.append(key)
            elif part.cpu > cpu or part.ram_mb > ram_mb:
                if first is None:
                    first = key
                    self._take_turns(key, now)
            elif first is None or self._passing:
                self._taken[key] = self._wanted.pop(key)
                cpu, ram_mb = cpu - part.cpu, ram_mb - part.ram_mb
                chosen.append(key)
        if first is None:
            self._first = self._turn_at = None
        return chosen

    def _free(self) -> tuple[float, int]:
        """Cores and MB that nobody has."""
        return (
            self.capacity.cpu - sum(one.cpu for one in self._taken.values()) + _SLACK,
            self.capacity.ram_mb - sum(one.ram_mb for one in self._taken.values()),
        )

    def _take_turns(self, key: str, now: float) -> None:
        """Whether others may pass the first that does not fit."""
        if key != self._first or self._turn_at is None:
            self._first = key
            self._turn_sec = self._patience_sec
            self._passing = self._turn_sec > 0
            self._turn_at = now + self._turn_sec
        while self._turn_sec > 0 and now >= self._turn_at:
            self._turn_sec *= 2
            self._passing = not self._passing
            self._turn_at += self._turn_sec
