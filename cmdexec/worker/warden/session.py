"""Trees held by descent, where no cgroup can be written.

The warden is a subreaper: whoever loses its parent becomes the warden's child, whatever it did to its session, its
environment or its descriptors. So a tree is its main process, the strays that are the warden's children now, and all
below them. Whose a stray is, is said by the first of these that knows:

1. its session, which is the job's unless it made its own;
2. its OOM score, of which each running job has one of its own, and which children inherit;
3. CMDEXEC_JOB_ID and CMDEXEC_ATTEMPT in the environment it began with;
4. its birth: it belongs to no job that began later.
"""

import os
import time
from collections.abc import Mapping

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.containment import JOB_OOM_SCORE, Containment, Tree
from cmdexec.worker.warden.proc import Process

TAGS = range(JOB_OOM_SCORE + 1, 1000)
"""The OOM scores that tell jobs apart; jobs beyond their number have none of their own."""

Marks = tuple[bytes, bytes]
"""CMDEXEC_JOB_ID and CMDEXEC_ATTEMPT."""


def tag_of(pid: int) -> int | None:
    """The OOM score of a process, if it is one that a job may have."""
    try:
        score = int(proc.read_file(f"/proc/{pid}/oom_score_adj"))
    except (OSError, ValueError):
        return None
    return score if score in TAGS else None


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


class SessionTree(Tree):
    """One job's processes."""

    def __init__(self, containment: "SessionContainment", tag: int | None) -> None:
        self._containment = containment
        self.tag = tag
        self.pid = 0
        self.main_lives = False
        self.retired = False
        self.marks: Marks | None = None
        self.began = 0

    def enter(self) -> None:
        if not self._containment.oom_score.set(self.tag or JOB_OOM_SCORE):
            self.tag = None
        self.began = int(time.clock_gettime(time.CLOCK_BOOTTIME) * proc.JIFFIES_PER_SEC)

    def born(self, pid: int, env: dict[str, str]) -> None:
        self.pid = pid
        self.main_lives = True
        self.marks = marks_in(env)
        self._containment.trees[pid] = self

    def main_reaped(self) -> None:
        self.main_lives = False

    def is_empty(self) -> bool:
        return not self.main_lives and not self._strays()

    def processes(self) -> list[Process]:
        roots = self._strays()
        if self.main_lives and (main := proc.read(self.pid)) is not None:
            roots.append(main)
        return proc.with_descendants(roots, proc.snapshot()) if roots else []

    def _strays(self) -> list[Process]:
        found = []
        for pid in self._containment.strays():
            process = proc.read(pid)
            if process is not None and not process.ended and self._containment.owner(process, self) is self:
                found.append(process)
        return found

    def terminate(self) -> None:
        proc.terminate(proc.stop_all(self.processes))

    def kill(self) -> None:
        proc.stop_then_kill(self.processes)


class SessionContainment(Containment):
    """The trees that run, and whose a stray is."""

    mode = "session"

    def __init__(self) -> None:
        super().__init__()
        self.trees: dict[int, SessionTree] = {}
        self._tags = list(reversed(TAGS))
        self._owners: dict[tuple[int, int], SessionTree] = {}

    def take(self) -> SessionTree:
        return SessionTree(self, self._tags.pop() if self._tags else None)

    def give_back(self, tree: Tree, clean: bool) -> None:
        if not isinstance(tree, SessionTree):
            return
        if not clean:  # kept, so that what is left of it is taken for nobody else's; nor does its tag go on
            tree.retired = True
            return
        self.trees.pop(tree.pid, None)
        if self._owners:
            self._owners = {key: owner for key, owner in self._owners.items() if owner is not tree}
        if tree.tag is not None:
            self._tags.append(tree.tag)

    def strays(self) -> set[int]:
        """Children that are no job's main process."""
        return proc.children() - {pid for pid, tree in self.trees.items() if tree.main_lives}

    def owner(self, stray: Process, asking: SessionTree) -> SessionTree | None:
        """Whose it is; None while several jobs are as likely. A stray of no running job belongs to whoever asks."""
        known = self._owners.get(stray.key) or self.trees.get(stray.session) or self._by_marks(stray.pid)
        if known is not None:
            self._owners[stray.key] = known
            return known
        likely = [tree for tree in self.trees.values() if not tree.retired and tree.began <= stray.start]
        return asking if not likely or likely == [asking] else None

    def _by_marks(self, pid: int) -> SessionTree | None:
        if (tag := tag_of(pid)) is not None:
            for tree in self.trees.values():
                if tree.tag == tag:
                    return tree
        if (marks := marks_of(pid)) is not None:
            for tree in self.trees.values():
                if tree.marks == marks:
                    return tree
        return None
