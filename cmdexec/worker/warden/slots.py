"""Trees held by cgroups, and by descent for those who left theirs.

One cgroup a *slot*, reused: making one costs up to milliseconds. The warden steps into the cgroup, makes the process,
and steps out at the end of a batch, so that a process is inside from its first instruction.
"""

import errno
import os

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.cgroup import Cgroup, name_of
from cmdexec.worker.warden.containment import Tree
from cmdexec.worker.warden.descent import DescentContainment, DescentTree
from cmdexec.worker.warden.proc import Process


class CgroupTree(DescentTree):
    """The processes of one job after the other: all in its cgroup, and their descendants elsewhere."""

    def __init__(self, containment: DescentContainment, cgroup: Cgroup, alone: bool = False) -> None:
        super().__init__(containment)
        self.cgroup = cgroup
        self.alone = alone

    @property
    def joins(self) -> tuple[str, ...]:
        return (self.cgroup.join,)

    def enter(self) -> None:
        super().enter()
        self.cgroup.enter()

    def is_empty(self) -> bool:
        return self.cgroup.is_empty() and super().is_empty()

    def processes(self) -> list[Process]:
        return [*self.cgroup.processes(), *self._escaped()]

    def terminate(self) -> None:
        escaped = proc.stop_all(self._escaped)
        self.cgroup.terminate()
        proc.terminate(escaped)

    def kill(self) -> None:
        proc.stop_then_kill(self._escaped)
        self.cgroup.kill()

    def _escaped(self) -> list[Process]:
        """Those that are not in the cgroup. Looked for before it is killed, while it is still seen whose they are."""
        return [process for process in self.descent() if self._containment.by_place(process.pid) is not self]


class CgroupContainment(DescentContainment):
    """A cgroup for this warden beside what is already there, one for each slot in it."""

    def __init__(self, version: int, parent: str, kept_open: int, home: str | None = None) -> None:
        """So many cgroups at most are entered through a file that is kept open; this process's own is `home`, else the
        parent.

        Raises OSError when cgroups cannot be made or entered here.
        """
        super().__init__()
        self.mode = f"cgroup{version}"
        self._version = version
        name = name_of(os.getpid())
        self.place = f"{parent}/{name}"
        self._inside = f"/{name}/".encode()
        self._kept_open = kept_open
        self._free: list[CgroupTree] = []
        self._slots: dict[bytes, CgroupTree] = {}
        self._counter = 0
        self._home = os.open(Cgroup(version, home or parent).join, os.O_WRONLY | os.O_CLOEXEC)
        os.mkdir(self.place, 0o755)
        try:
            tree = self._make()
            tree.cgroup.enter()
            self.leave()
            if version == 2 and not os.access(f"{tree.cgroup.path}/cgroup.kill", os.W_OK):
                raise OSError(errno.ENOSYS, "no cgroup.kill")
            self._free.append(tree)
        except OSError:
            self.close()
            raise

    def _make(self, alone: bool = False) -> CgroupTree:
        number = self._counter
        cgroup = Cgroup(self._version, f"{self.place}/{number}")
        cgroup.make(keep_open=not alone and len(self._slots) < self._kept_open)
        self._counter += 1
        tree = self._slots[b"%d" % number] = CgroupTree(self, cgroup, alone)
        return tree

    def take(self, alone: bool = False, spared: bool = False) -> Tree:
        tree = self._free.pop() if self._free and not alone else self._make(alone)
        self.give_tag(tree, spared)
        return tree

    def give_back(self, tree: Tree, clean: bool) -> None:
        super().give_back(tree, clean)
        if not clean or not isinstance(tree, CgroupTree):
            return
        if tree.alone:
            tree.cgroup.remove()
            del self._slots[os.path.basename(tree.cgroup.path).encode()]
        else:
            tree.cgroup.tidy()
            self._free.append(tree)

    def move_home(self, folder: str) -> None:
        """This process's own cgroup is another one from now on. Raises OSError."""
        home = os.open(Cgroup(self._version, folder).join, os.O_WRONLY | os.O_CLOEXEC)
        os.close(self._home)
        self._home = home

    def by_place(self, pid: int) -> DescentTree | None:
        try:
            place = proc.read_file(f"/proc/{pid}/cgroup")
        except OSError:
            return None
        slot = place.partition(self._inside)[2].partition(b"\n")[0].partition(b"/")[0]
        tree = self._slots.get(slot)
        return tree if tree is not None and tree.pid else None

    def leave(self) -> None:
        os.write(self._home, b"0")
        super().leave()

    def close(self) -> None:
        for tree in self._free:
            tree.cgroup.remove()
        Cgroup(self._version, self.place).remove()
        os.close(self._home)
