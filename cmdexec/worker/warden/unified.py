"""Limits by cgroups of version 2, in the groups that hold the trees: each job that is held gets one made anew.

A group whose controllers are given on to those below it holds no processes itself ("no internal processes", the
kernel's cgroup-v2), so worker and warden move into a leaf beside the warden's own group. That is done only where nobody
else is in their group: it is theirs then, as under systemd with `Delegate=yes`.
"""

import errno
import os

from cmdexec.worker.warden import cgroup, proc
from cmdexec.worker.warden.containment import Tree
from cmdexec.worker.warden.limits import (
    MACHINE_FULL,
    Limits,
    Part,
    Share,
    number_in,
    over_its_part,
    over_the_totals,
)
from cmdexec.worker.warden.slots import CgroupContainment, CgroupTree

_NEEDED = (b"cpu", b"memory")
_ON = b"+cpu +memory"
_OFF = b"-cpu -memory"


class UnifiedShare(Share):
    """One job's group, which counts from its making. Its warden must not go in itself, so `inside`."""

    def __init__(self, part: Part, folder: str, of: "Unified") -> None:
        super().__init__(part)
        self._folder = folder
        self._all = of
        self._reached_before = of.reached()

    def used(self, cpu_sec: float, ram: int) -> tuple[float, int]:
        cpu_us = number_in(_content(f"{self._folder}/cpu.stat"), b"usage_usec")
        peak = _content(f"{self._folder}/memory.peak")  # since Linux 5.19
        return cpu_us / 1e6 if cpu_us else cpu_sec, int(peak) if peak else ram

    def loosen(self) -> None:
        if self.part.cpu:
            cgroup.attempt(f"{self._folder}/cpu.max", b"max")

    def verdict(self) -> str:
        events = _content(f"{self._folder}/memory.events")
        if not number_in(events, b"oom_kill"):
            return ""
        if number_in(events, b"oom"):
            return over_its_part(self.part, _files(self._folder)) if self.part.ram else MACHINE_FULL
        return self._all.verdict() if self._all.reached() > self._reached_before else MACHINE_FULL


class Unified(Limits):
    """`containment` is of version 2; its warden's parent is the worker."""

    kind = "cgroup2"
    alone = True

    def __init__(self, containment: CgroupContainment, totals: Part) -> None:
        """Raises OSError, with a sentence, when limits cannot be set here."""
        super().__init__(totals)
        self._containment = containment
        self._place = containment.place
        self._parent = os.path.dirname(self._place)
        self._leaf = ""
        offered = _content(f"{self._parent}/cgroup.controllers").split()
        if missing := [name.decode() for name in _NEEDED if name not in offered]:
            raise OSError(errno.ENODEV, f"{' and '.join(missing)} not delegated to this worker's cgroup")
        self._make_room()
        try:
            self._switch(self._parent)
            _limit(self._place, totals)
            self._switch(self._place)
        except OSError:
            self._give_up()
            raise

    def take(self, part: Part, tree: Tree) -> Share:
        if not isinstance(tree, CgroupTree):
            raise OSError(errno.ENODEV, "no cgroup for its limits")
        folder = tree.cgroup.path
        _limit(folder, part)
        cgroup.write(f"{folder}/memory.oom.group", b"1")
        return UnifiedShare(part, folder, self)

    def give_back(self, share: Share) -> None:
        """Its group goes with its tree."""

    def reached(self) -> int:
        """How often the limit of all was reached; `memory.events` would count each job's own limit too."""
        return number_in(_content(f"{self._place}/memory.events.local"), b"oom") if self.totals.ram else 0

    def verdict(self) -> str:
        """The sentence for a job that was killed for the limit of all."""
        return over_the_totals(self.totals, _files(self._place))

    def close(self) -> None:
        """The parent as it was before the first warden, if there is a leaf."""
        if not self._leaf:
            return
        cgroup.attempt(f"{self._parent}/cgroup.subtree_control", _OFF)
        for pid in _content(f"{self._leaf}/cgroup.procs").split():
            cgroup.attempt(f"{self._parent}/cgroup.procs", pid)
        cgroup.Cgroup(2, self._leaf).remove()

    def _make_room(self) -> None:
        """Nobody is in the parent itself any more. Raises OSError.

        The worker of a warden that died alone lives on in that one's leaf, which is this one's from now on."""
        if (home := cgroup.own_folder("")) and cgroup.is_leaf(home) and os.path.dirname(home) == self._parent:
            self._leaf = home
            return
        inside = set(map(int, _content(f"{self._parent}/cgroup.procs").split()))
        if not inside or not os.path.exists(f"{self._parent}/cgroup.type"):  # the root of all may hold processes
            return
        own = (os.getpid(), os.getppid())
        if inside - set(own):
            raise OSError(errno.EBUSY, "other processes are in this worker's cgroup")
        leaf = f"{self._parent}/{cgroup.leaf_of(os.getpid())}"
        os.mkdir(leaf, 0o755)
        self._leaf = leaf
        try:
            for pid in own:
                if pid in inside:
                    cgroup.write(f"{leaf}/cgroup.procs", b"%d" % pid)
            self._containment.move_home(leaf)
        except OSError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Everything is where it was."""
        moved = bool(self._leaf)
        self.close()
        if moved:
            self._containment.move_home(self._parent)

    def _switch(self, folder: str) -> None:
        """What is below this folder gets the controllers. Raises OSError."""
        given = _content(f"{folder}/cgroup.subtree_control").split()
        if any(name not in given for name in _NEEDED):
            cgroup.write(f"{folder}/cgroup.subtree_control", _ON)


def _limit(folder: str, part: Part) -> None:
    if part.ram:
        cgroup.write(f"{folder}/memory.max", b"%d" % part.ram)
        cgroup.attempt(f"{folder}/memory.swap.max", b"0")  # missing where swap is not counted
    if part.cpu:
        cgroup.write(f"{folder}/cpu.max", b"%d %d" % part.quota_us())


def _files(folder: str) -> int:
    """Bytes of it that are files in memory, with those that its processes left."""
    return number_in(_content(f"{folder}/memory.stat"), b"shmem")


def _content(path: str) -> bytes:
    try:
        return proc.read_file(path)
    except OSError:
        return b""
