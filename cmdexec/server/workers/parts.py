"""What jobs ask of a machine, what a worker lets its jobs use together, and what is free of that.

A worker is the judge of its own machine. This is what saves giving it what it could not take.
"""

from dataclasses import dataclass
from math import inf

from cmdexec.model.job import Spec
from cmdexec.protocol.messages import Register
from cmdexec.store.contract.workers import WorkerRow

_SLACK = 1e-6
"""Ten tenths of a core are one."""


@dataclass(frozen=True, slots=True)
class Part:
    """Cores, and MB of 2^20 bytes; 0: not named, or none."""

    cpu: float
    ram_mb: int

    def within(self, other: "Part | Free") -> bool:
        """Whether it fits into that."""
        return self.cpu <= other.cpu + _SLACK and self.ram_mb <= other.ram_mb

    def __str__(self) -> str:
        """`1 core and 512 MB of memory`"""
        words = [f"{self.cpu:g} core{'' if self.cpu == 1 else 's'}"] if self.cpu else []
        return " and ".join([*words, *([f"{self.ram_mb} MB of memory"] if self.ram_mb else [])])


def part_of(spec: Spec) -> Part | None:
    """What the job names; None: nothing."""
    if spec.cpu is None and spec.ram_mb is None:
        return None
    return Part(spec.cpu or 0.0, spec.ram_mb or 0)


class Free:
    """What is left of a worker's capacity."""

    __slots__ = ("cpu", "ram_mb")

    def __init__(self, capacity: "Capacity") -> None:
        self.cpu, self.ram_mb = capacity.cpu, capacity.ram_mb

    def take(self, part: Part) -> None:
        """It is used."""
        self.cpu -= part.cpu
        self.ram_mb -= part.ram_mb

    def lack(self, part: Part) -> str:
        """What the part asks for and is not free: `it asks for 1 core, of which 0.4 are free`."""
        words = []
        if not Part(part.cpu, 0).within(self):
            words.append(f"{Part(part.cpu, 0)}, of which {max(0.0, round(self.cpu, 3)):g} are free")
        if part.ram_mb > self.ram_mb:
            words.append(f"{Part(0, part.ram_mb)}, of which {max(0, int(self.ram_mb))} MB are free")
        return f"it asks for {' and '.join(words)}"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a worker lets its jobs use together; without bound where it did not say so. `holds`: it holds each job to
    its part."""

    cpu: float
    ram_mb: float
    holds: bool

    @classmethod
    def of(cls, said: Register | WorkerRow) -> "Capacity":
        """As the worker registered."""
        return cls(
            inf if said.cpu is None else said.cpu, inf if said.ram_mb is None else said.ram_mb, said.limits is not None
        )

    def refusal(self, part: Part | None) -> str | None:
        """Why a job with this part can never run there; None: it can."""
        if part is None:
            return None
        if not self.holds:
            return f"it asks for {part}, and this worker holds no job to its part"
        if part.cpu > self.cpu + _SLACK:
            return f"it asks for {Part(part.cpu, 0)}, and this worker lets its jobs use {self.cpu:g}"
        if part.ram_mb > self.ram_mb:
            return f"it asks for {Part(0, part.ram_mb)}, and this worker lets its jobs use {self.ram_mb:g} MB"
        return None


def known_as(worker_id: str, said: Register) -> str:
    """What a job remembers of a worker that declined it: which one, with what capacity. So one that comes again with
    another is asked again."""
    if said.cpu is None and said.ram_mb is None and said.limits is None:
        return worker_id
    return f"{worker_id} {said.cpu or 0:g} {said.ram_mb or 0} {said.limits or ''}"
