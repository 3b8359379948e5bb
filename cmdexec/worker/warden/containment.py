"""What a tree of processes can be asked, whatever holds it together: a cgroup and descent, or descent alone."""

from abc import ABC, abstractmethod

from cmdexec.worker.warden.kernel import OomScore
from cmdexec.worker.warden.proc import Process

JOB_OOM_SCORE = 500
"""Jobs go first when memory runs out: the worker must live to report it."""
SPARED_OOM_SCORE = 150
"""Of them, those last that are held to a part of the memory."""


class Tree(ABC):
    """All processes of one job. `pid` is the main one's number, 0 before it is born."""

    pid = 0

    @property
    def joins(self) -> tuple[str, ...]:
        """Files of cgroups: who writes 0 there is of the tree."""
        return ()

    @abstractmethod
    def prepare(self) -> None:
        """The next process that this one makes is of the tree, if it writes to `joins`."""

    @abstractmethod
    def enter(self) -> None:
        """The next process that this one makes is born in the tree. Raises OSError."""

    @abstractmethod
    def born(self, pid: int, env: dict[str, str]) -> None:
        """`pid` is the main process."""

    @abstractmethod
    def main_reaped(self) -> None:
        """The main process ended and is reaped: its number means nothing any more."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether no process is alive that is known to be of it. Cheap: asked once for each job that ends."""

    @abstractmethod
    def doubtful(self) -> list[Process]:
        """Those alive of which it cannot be told whether they are of it or of another job; asked after `is_empty`."""

    @abstractmethod
    def processes(self) -> list[Process]:
        """Those alive that are known to be of it."""

    @abstractmethod
    def terminate(self) -> None:
        """TERM to all at one moment, so that none is missed by being born meanwhile; who is stopped goes on."""

    @abstractmethod
    def kill(self) -> None:
        """KILL to all, so that none slips away by forking. They are dead some time later: ask `is_empty`."""


class Containment(ABC):
    """Where trees come from."""

    mode = ""
    place = ""

    def __init__(self) -> None:
        self.oom_score = OomScore()

    @abstractmethod
    def take(self, alone: bool = False, spared: bool = False) -> Tree:
        """An empty tree; `alone`: what holds it held no other before, and will hold no other; `spared`: when memory
        runs out, it goes after those that are not. Raises OSError."""

    @abstractmethod
    def give_back(self, tree: Tree, clean: bool) -> None:
        """The job has ended. `clean`: nothing of it is left, so what held it may hold the next one."""

    @abstractmethod
    def note(self) -> None:
        """Note the processes of all trees, so that they are known when they hide."""

    @abstractmethod
    def reaped(self, pid: int) -> Tree | None:
        """A child that is no job's main process has its number no longer. Whose it was, if that was told."""

    @abstractmethod
    def all(self) -> list[Process]:
        """Every living process below this one, of a tree or not."""

    def leave(self) -> None:
        """This process belongs to no tree any more (it was in one to make processes)."""
        self.oom_score.restore()

    @abstractmethod
    def close(self) -> None:
        """Take down what was set up; all trees are empty."""
