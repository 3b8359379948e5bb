"""What a job may use of the machine, and what holds it to that.

Three things can: cgroups of version 2 (`unified`), of version 1 (`hierarchies`), or this process itself, which looks
now and then (`watched`). A job without a part of its own costs none of them anything, unless the worker has a limit.
"""

from abc import ABC, abstractmethod

from cmdexec.worker.warden.containment import Tree

MIB = 1 << 20
CPU_PERIOD_US = 100_000
"""The kernel's own default: within so long a job gets its part, and waits for the rest."""
_QUOTA_MIN_US = 1000
"""The least that the kernel takes (sched-bwc)."""
_PERIOD_MAX_US = 1_000_000


class Part:
    """`cpu` cores and `ram` bytes; 0: no bound."""

    __slots__ = ("cpu", "ram")

    def __init__(self, cpu: float = 0.0, ram: int = 0) -> None:
        self.cpu = cpu
        self.ram = ram

    def __bool__(self) -> bool:
        return bool(self.cpu or self.ram)

    def quota_us(self) -> tuple[int, int]:
        """So many microseconds of CPU time in each period of so many, as near as the kernel takes it."""
        period = CPU_PERIOD_US
        if self.cpu * period < _QUOTA_MIN_US:
            period = _PERIOD_MAX_US
        return max(_QUOTA_MIN_US, round(self.cpu * period)), period


class Share(ABC):
    """What holds one job.

    joins   files of cgroups; who writes 0 there is in them, before it is the job's program
    cores   the only ones that the job may run on; None: all
    nice    so much more willingly than others it lets go of the CPU
    """

    joins: tuple[str, ...] = ()
    cores: frozenset[int] | None = None
    nice = 0

    def __init__(self, part: Part) -> None:
        self.part = part

    @abstractmethod
    def used(self, cpu_sec: float, ram: int) -> tuple[float, int]:
        """CPU seconds and peak bytes of the whole tree, given what those that were reaped say."""

    def loosen(self) -> None:
        """It is being killed: dying takes CPU time too, and shall not wait for its part of it."""
        return

    @abstractmethod
    def verdict(self) -> str:
        """Why the kernel killed a process of it, if that was for memory; empty: it did not."""


class Limits(ABC):
    """What holds all jobs, each to its part and together to the worker's. `looks`: it must be asked now and then whom
    to end."""

    kind = ""
    looks = False

    def __init__(self, totals: Part) -> None:
        self.totals = totals

    def holds(self, part: Part) -> bool:
        """Whether a job with this part is held to anything."""
        return bool(part) or bool(self.totals)

    @abstractmethod
    def take(self, part: Part, tree: Tree) -> Share:
        """What holds a job that is about to be born in `tree`. Raises OSError."""

    @abstractmethod
    def give_back(self, share: Share) -> None:
        """The job has ended, or was never born."""

    def look(self, running: "list[tuple[Share, Tree]]") -> "list[tuple[Share, str]]":
        """Those of the running that are to be ended now, each with the sentence that says why."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Take down what was set up; all trees are empty."""


def over_its_part(part: Part) -> str:
    """The sentence for a job that is killed for its own limit."""
    return f"it used more than its {part.ram // MIB} MB of memory"


def over_the_totals(totals: Part) -> str:
    """The sentence for a job that is killed for the limit of all."""
    return f"the jobs of its worker together used more than the worker's {totals.ram // MIB} MB of memory (RAM_LIMIT)"


MACHINE_FULL = "its machine ran out of memory"


def number_in(content: bytes, key: bytes) -> int:
    """The number behind `key` in lines of the form `key number`; 0 without such a line."""
    for line in content.splitlines():
        name, _, number = line.partition(b" ")
        if name == key:
            return int(number)
    return 0
