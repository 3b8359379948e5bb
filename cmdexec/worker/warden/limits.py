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
_ROUNDING_US = 0.001
"""0.29 cores are 28999.999… microseconds in a period."""
_FILES_SHARE = 8
"""What files take of a limit is worth a word from an eighth of it on."""


class Part:
    """`cpu` cores and `ram` bytes; 0: no bound."""

    __slots__ = ("cpu", "ram")

    def __init__(self, cpu: float = 0.0, ram: int = 0) -> None:
        self.cpu = cpu
        self.ram = ram

    def __bool__(self) -> bool:
        return bool(self.cpu or self.ram)

    def quota_us(self) -> tuple[int, int]:
        """So many microseconds of CPU time in each period of so many, as near as the kernel takes it and never more: it
        refuses a group more than the group around has."""
        period = CPU_PERIOD_US
        if self.cpu * period < _QUOTA_MIN_US:
            period = _PERIOD_MAX_US
        return max(_QUOTA_MIN_US, int(self.cpu * period + _ROUNDING_US)), period


class Share(ABC):
    """What holds one job.

    inside  it takes a process that holds itself before it is the job's program; else any way of making it will do
    joins   files of cgroups; who writes 0 there is in them, before it is the job's program
    cores   the only ones that the job may run on; None: all
    nice    so much more willingly than others it lets go of the CPU
    """

    inside = True
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
    to end. `alone`: a job's tree must be held by what held no other, since its limits are set and counted there."""

    kind = ""
    looks = False
    alone = False

    def __init__(self, totals: Part) -> None:
        self.totals = totals

    def holds(self, part: Part) -> bool:
        """Whether a job with this part is held to anything."""
        return bool(part) or bool(self.totals)

    def begin(self) -> None:
        """This process will make the jobs: whatever holds all of them alike is done now."""
        return

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


def over_its_part(part: Part, files: int = 0) -> str:
    """The sentence for a job that is killed for its own limit; `files`: bytes of it that are files in memory."""
    return f"it used more than its {part.ram // MIB} MB of memory" + _with_files(part, files)


def over_the_totals(totals: Part, files: int = 0) -> str:
    """The sentence for a job that is killed for the limit of all."""
    limit = f"{totals.ram // MIB} MB of memory (RAM_LIMIT)"
    return f"the jobs of its worker together used more than the worker's {limit}" + _with_files(totals, files)


def _with_files(part: Part, files: int) -> str:
    if files * _FILES_SHARE < part.ram:
        return ""
    return f"; {files // MIB} MB of it are files that were written into memory: the working folder or /dev/shm"


MACHINE_FULL = "its machine ran out of memory"


def number_in(content: bytes, key: bytes) -> int:
    """The number behind `key` in lines of the form `key number`; 0 without such a line."""
    for line in content.splitlines():
        name, _, number = line.partition(b" ")
        if name == key:
            return int(number)
    return 0
