"""What a tree of processes can be asked, whatever holds it together: a cgroup and descent, or descent alone."""

from cmdexec.worker.warden.kernel import OomScore
from cmdexec.worker.warden.proc import Process

JOB_OOM_SCORE = 500
"""Jobs go first when memory runs out: the worker must live to report it."""


class Tree:
    """All processes of one job. `pid` is the main one's number, 0 before it is born."""

    pid = 0

    def enter(self) -> None:
        """The next process that this one makes is born in the tree. Raises OSError."""
        raise NotImplementedError

    def born(self, pid: int, env: dict[str, str]) -> None:
        """`pid` is the main process."""
        raise NotImplementedError

    def main_reaped(self) -> None:
        """The main process ended and is reaped: its number means nothing any more."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Whether no process is alive that is known to be of it. Cheap: asked once for each job that ends."""
        raise NotImplementedError

    def doubtful(self) -> list[Process]:
        """Those alive of which it cannot be told whether they are of it or of another job; asked after `is_empty`."""
        raise NotImplementedError

    def processes(self) -> list[Process]:
        """Those alive that are known to be of it."""
        raise NotImplementedError

    def terminate(self) -> None:
        """TERM to all at one moment, so that none is missed by being born meanwhile; who is stopped goes on."""
        raise NotImplementedError

    def kill(self) -> None:
        """KILL to all, so that none slips away by forking. They are dead some time later: ask `is_empty`."""
        raise NotImplementedError


class Containment:
    """Where trees come from."""

    mode = ""
    place = ""

    def __init__(self) -> None:
        self.oom_score = OomScore()

    def take(self) -> Tree:
        """An empty tree. Raises OSError."""
        raise NotImplementedError

    def give_back(self, tree: Tree, clean: bool) -> None:
        """The job has ended. `clean`: nothing of it is left, so what held it may hold the next one."""
        raise NotImplementedError

    def note(self) -> None:
        """Note the processes of all trees, so that they are known when they hide."""
        raise NotImplementedError

    def reaped(self, pid: int) -> Tree | None:
        """A child that is no job's main process has its number no longer. Whose it was, if that was told."""
        raise NotImplementedError

    def all(self) -> list[Process]:
        """Every living process below this one, of a tree or not."""
        raise NotImplementedError

    def leave(self) -> None:
        """This process belongs to no tree any more (it was in one to make processes)."""
        self.oom_score.restore()

    def close(self) -> None:
        """Take down what was set up; all trees are empty."""
