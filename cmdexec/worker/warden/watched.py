"""Limits where no cgroup can hold a job: its processes are kept to some cores, its memory is looked at now and then.

That is seen to, not enforced: a job may use more memory between two looks, and may give itself all cores again. Memory
is seen by the sum of the resident sets, which is quick and counts what processes share for each of them; a job is
judged by their proportional sets (PSS), which is exact and dear.
"""

import math
import os

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.containment import Tree
from cmdexec.worker.warden.limits import Limits, Part, Share, over_its_part, over_the_totals
from cmdexec.worker.warden.proc import Process

_PAGE = os.sysconf("SC_PAGE_SIZE")
_NICE = 5
"""Of a job that shall have a part of a core, which it then shares: others go first."""
_NOTE = " (watched, not enforced)"


class WatchedShare(Share):
    """One job. `peak` is the most that was seen of it."""

    def __init__(self, part: Part, cores: frozenset[int] | None) -> None:
        super().__init__(part)
        self.cores = cores
        self.nice = _NICE if part.cpu % 1 else 0
        self.inside = cores is not None or self.nice > 0
        self.peak = 0

    def used(self, cpu_sec: float, ram: int) -> tuple[float, int]:
        return cpu_sec, max(ram, self.peak)

    def verdict(self) -> str:
        return ""


class Watched(Limits):
    """`cores` are those that this process may use. Of them the jobs together get as many as the worker's limit says;
    wardens begin at different ones."""

    kind = "watched"
    looks = True

    def __init__(self, totals: Part, cores: list[int]) -> None:
        super().__init__(totals)
        if totals.cpu:
            first = os.getpid() % len(cores)
            cores = [*cores[first:], *cores[:first]][: math.ceil(totals.cpu)]
        self._taken = dict.fromkeys(cores, 0.0)

    def begin(self) -> None:
        """This process keeps to the cores of all jobs, so that each of them is born on these."""
        if self.totals.cpu:
            os.sched_setaffinity(0, self._taken)

    def take(self, part: Part, tree: Tree) -> Share:
        cores = None
        if part.cpu:
            count = min(math.ceil(part.cpu), len(self._taken))
            cores = frozenset(sorted(self._taken, key=self._taken.__getitem__)[:count])
            self._charge(cores, part.cpu)
        return WatchedShare(part, cores)

    def give_back(self, share: Share) -> None:
        if share.part.cpu and share.cores:
            self._charge(share.cores, -share.part.cpu)

    def close(self) -> None:
        """Nothing was set up."""

    def _charge(self, cores: frozenset[int], cpu: float) -> None:
        for core in cores:
            self._taken[core] += cpu / len(cores)

    def look(self, running: list[tuple[Share, Tree]]) -> list[tuple[Share, str]]:
        found: list[tuple[Share, str]] = []
        seen: list[tuple[int, Share, list[Process]]] = []
        for share, tree in running:
            if not (share.part.ram or self.totals.ram) or not isinstance(share, WatchedShare):
                continue
            processes = tree.processes()
            size = sum(map(_resident, processes))
            share.peak = max(share.peak, size)
            if 0 < share.part.ram < size and share.part.ram < sum(map(_proportional, processes)):
                found.append((share, over_its_part(share.part) + _NOTE))
            else:
                seen.append((size, share, processes))
        if 0 < self.totals.ram < sum(size for size, _, _ in seen):
            found += self._over_all(seen)
        return found

    def _over_all(self, seen: list[tuple[int, Share, list[Process]]]) -> list[tuple[Share, str]]:
        """The largest job that has no part of its own goes; those that have one are within it."""
        exact = [(sum(map(_proportional, processes)), share) for _, share, processes in seen]
        free = [(size, share) for size, share in exact if not share.part.ram]
        if not free or sum(size for size, _ in exact) <= self.totals.ram:
            return []
        _, largest = max(free, key=_first)
        return [(largest, over_the_totals(self.totals) + _NOTE)]


def _first(pair: tuple[int, Share]) -> int:
    return pair[0]


def _resident(process: Process) -> int:
    """Bytes of its memory that are in use, shared ones too; 0 when it has ended."""
    try:
        return int(proc.read_start(f"/proc/{process.pid}/statm").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(process: Process) -> int:
    """The same, where what several processes share counts for each in part."""
    try:
        for line in proc.read_start(f"/proc/{process.pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident(process)
    return 0
