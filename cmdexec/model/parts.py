"""Parts of a machine: what jobs ask for, what a worker lets its jobs use together, and what is free of that.

A worker is the judge of its own machine. This is what saves giving it what it could not take.
"""

from dataclasses import dataclass
from math import ceil, floor, inf

_SLACK = 1e-6
"""Ten tenths of a core are one."""

_GB = 1024
_WHOLE_FROM = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Cores, and MB of 2^20 bytes; 0: not named, or none."""

    cpu: float
    ram_mb: float

    def within(self, other: "Part | Free | Capacity") -> bool:
        """Whether it fits into that."""
        return self.cpu <= other.cpu + _SLACK and self.ram_mb <= other.ram_mb

    def __str__(self) -> str:
        """`1 core and 512 MB of memory`"""
        words = [f"{self.cpu:g} core{'' if self.cpu == 1 else 's'}"] if self.cpu else []
        return " and ".join([*words, *([f"{memory(self.ram_mb, asked=True)} of memory"] if self.ram_mb else [])])


def memory(ram_mb: float, *, asked: bool = False) -> str:
    """`512 MB`, `23.5 GB`, `640 GB`, as all sizes are shown; never more than there is, nor less than is `asked`."""
    round_ = ceil if asked else floor
    if ram_mb < _GB:
        return f"{round_(ram_mb)} MB"
    size, unit = (ram_mb / _GB, "GB") if ram_mb < _GB * _GB else (ram_mb / _GB / _GB, "TB")
    return f"{round_(size) if size >= _WHOLE_FROM else round_(size * 10) / 10:g} {unit}"


class Free:
    """What is left of a worker's capacity."""

    __slots__ = ("cpu", "ram_mb")

    def __init__(self, capacity: "Capacity | Part") -> None:
        self.cpu, self.ram_mb = capacity.cpu, capacity.ram_mb

    def take(self, part: Part) -> None:
        """It is used."""
        self.cpu -= part.cpu
        self.ram_mb -= part.ram_mb

    def times(self, part: Part, most: int) -> int:
        """How many such parts are free, up to `most`."""
        count = float(most)
        if part.cpu:
            count = min(count, (self.cpu + _SLACK) // part.cpu)
        if part.ram_mb:
            count = min(count, self.ram_mb // part.ram_mb)
        return max(0, int(count))

    def lack(self, part: Part) -> str:
        """What the part asks for and is not free: `it asks for 1 core, of which 0.4 are free`."""
        words = []
        if not Part(part.cpu, 0).within(self):
            words.append(f"{Part(part.cpu, 0)}, of which {max(0.0, round(self.cpu, 3)):g} are free")
        if part.ram_mb > self.ram_mb:
            words.append(f"{Part(0, part.ram_mb)}, of which {memory(max(0.0, self.ram_mb))} are free")
        return f"it asks for {' and '.join(words)}"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a worker lets its jobs use together; without bound where it did not say so. `holds`: it holds each job to
    its part."""

    cpu: float = inf
    ram_mb: float = inf
    holds: bool = False
