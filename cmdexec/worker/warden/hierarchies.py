"""Limits by cgroups of version 1: a folder for this warden in the hierarchies of `memory` and `cpu`, one in it for each
job that is held, made anew, so that what is counted there is this job's alone.

Where there is `cpuacct`, often the same hierarchy as `cpu`, it counts CPU time. A process that the kernel killed for
memory is its job's end: version 2 kills the whole group (`memory.oom.group`), here it is done when it is seen.

Whose limit it was an event tells (`cgroup.event_control`): a folder gets one when it, or what is around it, came to a
limit, before the kernel kills somebody for it. So a job with a limit came to its own when its folder had more of them
than that of all. What a group used at most tells less, as file cache counts in it too; it must do where the kernel has
no such events (PREEMPT_RT).
"""

import errno
import os
import time

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

_LAST_BYTES = 1 << 20
"""Memory is given in pieces; where the next does not fit any more, that much of the limit may be unused."""
_CAUSE_SEC = 10.0
"""So long before a kill is seen an event may have been its cause. The kernel writes its report in between, to a slow
console perhaps, and a look may fall there."""
_NEEDED = {"memory": "memory.limit_in_bytes", "cpu": "cpu.cfs_quota_us"}


class HierarchyShare(Share):
    """One job's folders, by controller."""

    def __init__(self, part: Part, folders: dict[str, str], of: "Hierarchies") -> None:
        super().__init__(part)
        self.folders = folders
        # Entered last is `cpu`: where no time is left, who enters goes on only when there is some again.
        in_order = dict.fromkeys(folder for _, folder in sorted(folders.items(), reverse=True))
        self.joins = tuple(f"{folder}/tasks" for folder in in_order)
        self._all = of
        self._above = 0
        self._told = 0
        self._events = -1

    def listen(self) -> None:
        """Hear when it comes to its own limit; its folder is there."""
        self._above = self._all.above()
        if self.part.ram and self._all.hears:
            self._events = _events_of(self.folders["memory"])

    def close(self) -> None:
        """It is not asked any more."""
        if self._events >= 0:
            os.close(self._events)
            self._events = -1

    def used(self, cpu_sec: float, ram: int) -> tuple[float, int]:
        peak = _number(f"{self.folders['memory']}/memory.max_usage_in_bytes")
        cpu_ns = _number(f"{self.folders['cpuacct']}/cpuacct.usage") if "cpuacct" in self.folders else 0
        return cpu_ns / 1e9 if cpu_ns else cpu_sec, peak or ram

    def loosen(self) -> None:
        if self.part.cpu:
            cgroup.attempt(f"{self.folders['cpu']}/cpu.cfs_quota_us", b"-1")

    def killed(self) -> bool:
        """Whether the kernel killed a process of it for memory."""
        self._all.above()
        try:
            control = proc.read_start(f"{self.folders['memory']}/memory.oom_control")
        except OSError:
            return False
        return number_in(control, b"oom_kill") > 0

    def verdict(self) -> str:
        if not self.killed():
            return ""
        above = self._all.above() - self._above
        folder = self.folders["memory"]
        self._told += _count(self._events)
        if self._told > above if self._events >= 0 else _reached(folder, self.part.ram):
            return over_its_part(self.part, _files(folder))
        if self._all.hears and (not above or self._all.heard_at < time.monotonic() - _CAUSE_SEC):
            return MACHINE_FULL
        return self._all.verdict()


class Hierarchies(Limits):
    """`parents`: the folder of this process's own cgroup for each of `memory`, `cpu` and `cpuacct` that there is."""

    kind = "cgroup1"
    looks = True

    def __init__(self, parents: dict[str, str], totals: Part) -> None:
        """Raises OSError when limits cannot be set there."""
        super().__init__(totals)
        for controller in _NEEDED:
            if controller not in parents:
                raise OSError(errno.ENODEV, f"there are no cgroups for {controller}")
        name = cgroup.name_of(os.getpid())
        self._places = {controller: f"{folder}/{name}" for controller, folder in parents.items()}
        self._counter = 0
        self.heard_at = 0.0
        self._above = 0
        self._events = -1
        made: list[str] = []
        try:
            for place in dict.fromkeys(self._places.values()):
                os.mkdir(place, 0o755)
                made.append(place)
            for controller, file in _NEEDED.items():
                if not os.access(f"{self._places[controller]}/{file}", os.W_OK):
                    raise OSError(errno.EACCES, f"limits of {controller} cannot be set")
            self._count_all()
            self._limit(self._places, totals)
            self._events = _events_of(self._places["memory"])
        except OSError:
            for place in made:
                os.rmdir(place)
            raise

    def take(self, part: Part, tree: Tree) -> Share:
        self._counter += 1
        folders = {controller: f"{place}/{self._counter}" for controller, place in self._places.items()}
        share = HierarchyShare(part, folders, self)
        try:
            for folder in dict.fromkeys(folders.values()):
                os.mkdir(folder, 0o755)
            self._limit(folders, part)
            share.listen()
        except OSError:
            self.give_back(share)
            raise
        return share

    def give_back(self, share: Share) -> None:
        if isinstance(share, HierarchyShare):
            share.close()
            for folder in dict.fromkeys(share.folders.values()):
                cgroup.Cgroup(1, folder).remove()

    def look(self, running: list[tuple[Share, Tree]]) -> list[tuple[Share, str]]:
        return [
            (share, share.verdict()) for share, _ in running if isinstance(share, HierarchyShare) and share.killed()
        ]

    @property
    def hears(self) -> bool:
        """Whether the kernel tells `above`."""
        return self._events >= 0

    def above(self) -> int:
        """How often the jobs together, or what is around them, came to a limit; `heard_at` is when that was last seen,
        in seconds of the monotonic clock."""
        if more := _count(self._events):
            self._above += more
            self.heard_at = time.monotonic()
        return self._above

    def verdict(self) -> str:
        """The sentence for a job that was killed for one of those limits."""
        place = self._places["memory"]
        return over_the_totals(self.totals, _files(place)) if _reached(place, self.totals.ram) else MACHINE_FULL

    def close(self) -> None:
        if self._events >= 0:
            os.close(self._events)
            self._events = -1
        for place in dict.fromkeys(self._places.values()):
            cgroup.Cgroup(1, place).remove()

    def _count_all(self) -> None:
        """What is used in the folders of jobs counts in that of all (before Linux 5.11 only if that is asked for).
        Raises OSError."""
        hierarchy = f"{self._places['memory']}/memory.use_hierarchy"
        if os.path.exists(hierarchy) and not _number(hierarchy):
            cgroup.write(hierarchy, b"1")

    def _limit(self, folders: dict[str, str], part: Part) -> None:
        memory, cpu = folders["memory"], folders["cpu"]
        if part.ram:
            cgroup.write(f"{memory}/memory.limit_in_bytes", b"%d" % part.ram)
            swap = f"{memory}/memory.memsw.limit_in_bytes"  # memory and swap together, where swap is counted
            if os.path.exists(swap):
                cgroup.write(swap, b"%d" % part.ram)
        if part.cpu:
            quota, period = part.quota_us()
            cgroup.write(f"{cpu}/cpu.cfs_period_us", b"%d" % period)
            cgroup.write(f"{cpu}/cpu.cfs_quota_us", b"%d" % quota)


def _reached(folder: str, ram: int) -> bool:
    """Whether it came to its limit (`memory.failcnt` should say so, and stays 0 in Linux 6.18)."""
    return 0 < ram <= _number(f"{folder}/memory.max_usage_in_bytes") + min(_LAST_BYTES, ram // 8)


def _files(folder: str) -> int:
    """Bytes of it that are files in memory, with those that its processes left."""
    try:
        return number_in(proc.read_start(f"{folder}/memory.stat"), b"total_shmem")
    except OSError:
        return 0


def _events_of(folder: str) -> int:
    """A descriptor that counts how often a limit of the group or around it was reached; -1 where that is not told."""
    events = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            cgroup.write(f"{folder}/cgroup.event_control", b"%d %d" % (events, control))
        finally:
            os.close(control)
    except OSError:
        os.close(events)
        return -1
    return events


def _count(events: int) -> int:
    """How often it was told since it was last asked."""
    try:
        return os.eventfd_read(events) if events >= 0 else 0
    except BlockingIOError:
        return 0


def _number(path: str) -> int:
    try:
        return int(proc.read_start(path))
    except OSError:
        return 0
