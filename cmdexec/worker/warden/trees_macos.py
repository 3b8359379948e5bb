"""Trees of processes as ps(1) shows them, for a system without cgroups, subreapers and descriptors of processes.

Of a tree is who is in the group of its main process, and who descends from one of it. Who leaves the group and loses
its parent between two looks is not known to be of it: that is what macOS cannot promise.
"""

import os
import signal
import subprocess

_PS = ("/bin/ps", "-axo", "pid=,ppid=,pgid=,rss=,stat=,lstart=,comm=")
_KIB = 1024
_ROUNDS = 8
_STARTED_WORDS = 5
_FIELDS = 5 + _STARTED_WORDS


class Process:
    """One process; `pid` and `started` name it. `rss` in bytes."""

    __slots__ = ("group", "name", "parent", "pid", "rss", "started", "state")

    def __init__(self, pid: int, parent: int, group: int, rss: int, state: str, started: str, name: str) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.rss = rss
        self.state = state
        self.started = started
        self.name = name

    @property
    def key(self) -> tuple[int, str]:
        """What it is told apart by."""
        return self.pid, self.started

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.name})"


def snapshot() -> dict[int, Process]:
    """All living processes by number. Raises OSError."""
    listed = subprocess.run(_PS, stdin=subprocess.DEVNULL, capture_output=True, env={"LC_ALL": "C"}, check=False).stdout
    found = {}
    for line in listed.decode("utf-8", "replace").splitlines():
        words = line.split(maxsplit=_FIELDS)
        if len(words) > _FIELDS and not words[4].startswith("Z"):
            pid, parent, group, rss = map(int, words[:4])
            started = " ".join(words[5:_FIELDS])
            found[pid] = Process(pid, parent, group, rss * _KIB, words[4], started, os.path.basename(words[_FIELDS]))
    return found


class Tree:
    """The tree of the main process `pid`, which leads a group of its own. Remembers whom it has seen in it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._seen: dict[int, str] = {}

    def members(self) -> list[Process]:
        """Those of it that live now."""
        processes = snapshot()
        of_it = {
            process.pid
            for process in processes.values()
            if process.group == self.pid or self._seen.get(process.pid) == process.started
        }
        grew = True
        while grew:
            more = {one.pid for one in processes.values() if one.parent in of_it} - of_it
            of_it |= more
            grew = bool(more)
        found = [processes[pid] for pid in of_it]
        self._seen = {process.pid: process.started for process in found}
        return found

    def terminate(self) -> None:
        """TERM to its group at one moment, and to each that has left it; and CONT, so that a stopped one can act on it.
        Only while its main process is not reaped: the number of the group is nobody else's then."""
        members = self.members()
        for number in (signal.SIGTERM, signal.SIGCONT):
            send(-self.pid, number)
            for process in members:
                if process.group != self.pid:
                    send(process.pid, number)

    def kill(self) -> None:
        """STOP until nobody new is found, so that none forks away, and KILL to all."""
        stopped: dict[tuple[int, str], Process] = {}
        for _ in range(_ROUNDS):
            new = [process for process in self.members() if process.key not in stopped]
            if not new:
                break
            for process in new:
                send(process.pid, signal.SIGSTOP)
                stopped[process.key] = process
        for process in stopped.values():
            send(process.pid, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """A signal to a process, or below 0 to a group, that was there a moment ago."""
    try:
        os.kill(pid, number)
    except OSError:
        return
