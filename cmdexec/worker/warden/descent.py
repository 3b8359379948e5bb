"""Trees held by descent: where no cgroup can be written, and for those who left their cgroup where one can.

The warden is a subreaper: whoever loses its parent becomes the warden's child, whatever it did to its cgroup, its
session, its environment or its descriptors. So a tree is its main process, the strays that are the warden's children
now, and all below them. Whose a stray is, is said by the first of these that knows:

1. what it descended from when it was noted;
2. the cgroup it is in, where there are cgroups;
3. its session, which is the job's unless it made its own;
4. its OOM score, of which each running job has one of its own, and which children inherit;
5. CMDEXEC_JOB_ID and CMDEXEC_ATTEMPT in the environment it began with;
6. its birth: it belongs to no job that began later.

When none does, several jobs are as likely: each of these names it as left when it ends, and with the last it is killed.
A stray that can be of no job that runs is killed at sight.
"""

import os
import time
from collections.abc import Mapping
from heapq import heappop, heappush

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.containment import JOB_OOM_SCORE, SPARED_OOM_SCORE, Containment, Tree
from cmdexec.worker.warden.proc import Process

TAGS = range(JOB_OOM_SCORE + 1, 1000)
"""The OOM scores that tell jobs apart, the highest first; jobs beyond their number have none of their own."""
SPARED_TAGS = range(SPARED_OOM_SCORE - 100, SPARED_OOM_SCORE)
"""The same, the lowest first, for jobs that are held to a part of the memory. A score of 1000 counts as much as all the
memory that there is to share (`oom_badness`), so where all together take too much, the kernel takes first one that
named none, unless the other alone has nearly all."""

_ROUNDS = 16

Marks = tuple[bytes, bytes]
"""CMDEXEC_JOB_ID and CMDEXEC_ATTEMPT."""


def tag_of(pid: int) -> int | None:
    """The OOM score of a process, if it is one that a job may have."""
    try:
        score = int(proc.read_start(f"/proc/{pid}/oom_score_adj"))
    except (OSError, ValueError):
        return None
    return score if score in TAGS or score in SPARED_TAGS else None


def marks_of(pid: int) -> Marks | None:
    """The job that a process was begun for, as its environment says."""
    try:
        pairs = dict(pair.partition(b"=")[::2] for pair in proc.read_file(f"/proc/{pid}/environ").split(b"\0"))
    except OSError:
        return None
    job, attempt = pairs.get(b"CMDEXEC_JOB_ID"), pairs.get(b"CMDEXEC_ATTEMPT")
    return (job, attempt) if job and attempt else None


def marks_in(env: Mapping[str, str]) -> Marks | None:
    """The same for an environment that a process is to begin with."""
    job, attempt = env.get("CMDEXEC_JOB_ID"), env.get("CMDEXEC_ATTEMPT")
    return (os.fsencode(job), os.fsencode(attempt)) if job and attempt else None


def _living(pids: set[int]) -> list[Process]:
    """Those of the warden's children with these numbers that have not ended."""
    processes = [proc.read(pid) for pid in pids]
    return [process for process in processes if process is not None and not process.ended]


def _kill(process: Process) -> None:
    """And all below it."""
    proc.stop_then_kill(lambda: proc.below([process]))


class DescentTree(Tree):
    """One job's processes.

    `noted` are the keys of those that were seen in it, `strays` the numbers of those that are the warden's children.
    `retired`: the job has ended, not all of it did. `tag` is an OOM score that no other job has, `oom_score` the one
    that it has in any case.
    """

    def __init__(self, containment: "DescentContainment") -> None:
        self._containment = containment
        self.tag: int | None = None
        self.oom_score = JOB_OOM_SCORE
        self.main_lives = False
        self.retired = False
        self.marks: Marks | None = None
        self.began = 0
        self.noted: set[tuple[int, int]] = set()
        self.strays: set[int] = set()

    def prepare(self) -> None:
        if not self._containment.oom_score.set(self.oom_score):
            self._containment.free_tag(self)
        self.began = int(time.clock_gettime(time.CLOCK_BOOTTIME) * proc.JIFFIES_PER_SEC)

    def enter(self) -> None:
        self.prepare()

    def born(self, pid: int, env: dict[str, str]) -> None:
        self.pid = pid
        self.main_lives = True
        self.marks = marks_in(env)
        self._containment.begun(self)

    def main_reaped(self) -> None:
        self.main_lives = False
        self._containment.main_ended(self)

    def is_empty(self) -> bool:
        return not self.main_lives and not self._containment.strays_of(self)

    def doubtful(self) -> list[Process]:
        return self._containment.doubtful(self)

    def processes(self) -> list[Process]:
        return self.descent()

    def descent(self) -> list[Process]:
        """Main process, strays and all below them, noted from now on."""
        return self.walk(self._containment.strays_of(self))

    def walk(self, strays: list[Process]) -> list[Process]:
        """The same, from these strays of it."""
        roots = list(strays)
        if self.main_lives and (main := proc.read(self.pid)) is not None:
            roots.append(main)
        found = proc.below(roots)
        self._containment.seen(self, found)
        return found

    def terminate(self) -> None:
        proc.terminate(proc.stop_all(self.descent))

    def kill(self) -> None:
        proc.stop_then_kill(self.descent)


class DescentContainment(Containment):
    """The trees that run, and whose a stray is."""

    mode = "session"

    def __init__(self) -> None:
        super().__init__()
        self._trees: dict[int, DescentTree] = {}
        self._mains: set[int] = set()
        self._children = proc.Children()
        self._tags = [-tag for tag in reversed(TAGS)]
        self._spared_tags = list(SPARED_TAGS)
        self._noted: dict[tuple[int, int], DescentTree] = {}
        self._strays: dict[int, DescentTree] = {}
        self._doubts = False

    def take(self, alone: bool = False, spared: bool = False) -> Tree:
        tree = DescentTree(self)
        self.give_tag(tree, spared)
        return tree

    def give_tag(self, tree: "DescentTree", spared: bool) -> None:
        """An OOM score that no running job has, if there is one left."""
        tags = self._spared_tags if spared else self._tags
        tree.tag = abs(heappop(tags)) if tags else None
        tree.oom_score = tree.tag or (SPARED_OOM_SCORE if spared else JOB_OOM_SCORE)

    def free_tag(self, tree: "DescentTree") -> None:
        """It has none any more."""
        if tree.tag is not None:
            if tree.tag in TAGS:
                heappush(self._tags, -tree.tag)
            else:
                heappush(self._spared_tags, tree.tag)
            tree.tag = None

    def give_back(self, tree: Tree, clean: bool) -> None:
        if not isinstance(tree, DescentTree):
            return
        if not clean:  # kept, so that what is left of it is taken for nobody else's; nor does its tag go on
            tree.retired = True
            return
        self._trees.pop(tree.pid, None)
        tree.pid = 0
        self.free_tag(tree)
        for key in tree.noted:
            self._noted.pop(key, None)
        tree.noted.clear()
        for pid in tree.strays:
            self._strays.pop(pid, None)
        tree.strays.clear()

    def begun(self, tree: DescentTree) -> None:
        """It has a main process."""
        self._trees[tree.pid] = tree
        self._mains.add(tree.pid)

    def main_ended(self, tree: DescentTree) -> None:
        """Its main process is reaped."""
        self._mains.discard(tree.pid)

    def seen(self, tree: DescentTree, processes: list[Process]) -> None:
        """These are of it, whatever becomes of them."""
        for process in processes:
            if process.key not in self._noted:
                self._noted[process.key] = tree
                tree.noted.add(process.key)

    def note(self) -> None:
        self._settle()
        for tree in self._trees.values():
            now = {process.key for process in tree.walk(_living(tree.strays))}
            for key in tree.noted - now:
                if (process := proc.read(key[0])) is None or process.key != key:
                    tree.noted.discard(key)
                    self._noted.pop(key, None)

    def reaped(self, pid: int) -> Tree | None:
        tree = self._strays.pop(pid, None)
        if tree is not None:
            tree.strays.discard(pid)
        return tree

    def all(self) -> list[Process]:
        own = [process for pid in self._children.numbers() if (process := proc.read(pid)) is not None]
        return proc.below(own)

    def close(self) -> None:
        """Nothing was set up."""

    # Strays

    def strays_of(self, tree: DescentTree) -> list[Process]:
        """Those alive that are known to be of it."""
        found: list[Process] = []
        looked_at: set[int] = set()
        # Again until there is nobody new: who is dead now may have forked since the list was made.
        for _ in range(_ROUNDS):
            self._settle()
            new = tree.strays - looked_at
            if not new:
                break
            looked_at |= new
            found += _living(new)
        return found

    def doubtful(self, tree: DescentTree) -> list[Process]:
        """Strays that may as well be of it as of another, and all below them."""
        if not self._doubts:
            return []
        unknown = _living(self._stray_pids() - self._strays.keys())
        return proc.below([process for process in unknown if tree in self._likely(process)])

    def _stray_pids(self) -> set[int]:
        """Children that are no job's main process: not reaped, so their numbers are nobody else's."""
        return self._children.numbers() - self._mains

    def _settle(self) -> None:
        """Say of each stray whose it is, if that can be told; kill what is nobody's."""
        looked_at: set[int] = set()
        self._doubts = False
        for _ in range(_ROUNDS):  # for the same reason as above
            new = self._stray_pids() - self._strays.keys() - looked_at
            if not new:
                break
            looked_at |= new
            for stray in _living(new):
                owners = self._owners(stray)
                if not owners:
                    _kill(stray)
                elif len(owners) > 1:
                    self._doubts = True
                else:
                    self._strays[stray.pid] = owners[0]
                    owners[0].strays.add(stray.pid)

    def _owners(self, stray: Process) -> list[DescentTree]:
        """Whose it is, or may be."""
        owner = self._noted.get(stray.key) or self.by_place(stray.pid)
        owner = owner or self._trees.get(stray.session) or self._by_marks(stray.pid)
        return self._likely(stray) if owner is None else [owner]

    def _likely(self, stray: Process) -> list[DescentTree]:
        """Of whom it may be by its birth."""
        return [tree for tree in self._trees.values() if not tree.retired and tree.began <= stray.start]

    def by_place(self, pid: int) -> DescentTree | None:
        """The tree that holds the process by more than descent."""
        return None

    def _by_marks(self, pid: int) -> DescentTree | None:
        if (tag := tag_of(pid)) is not None:
            for tree in self._trees.values():
                if tree.tag == tag:
                    return tree
        if (marks := marks_of(pid)) is not None:
            for tree in self._trees.values():
                if tree.marks == marks:
                    return tree
        return None
