"""How server, worker and warden stand: their memory, their open descriptors, the tasks of their event loops, and which
leases were lost."""

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.proc import children, rss_bytes
from tests.support.system import Process, Server, Worker
from tests.support.waiting import until

_ALIKE = 4
"""So many looks in a row have to be the same before anything counts as idle."""

_LOOK_SEC = 0.2
_OVER = re.compile(r"a worker's lease is over worker=(\S+)")
_NOT_THERE = {"fired-1"}
"""Workers of `tests.support.server` that nobody runs."""

_TASKS = re.compile(r"what is under way tasks=(\d+) of=(.*)")


@dataclass(frozen=True)
class Idle:
    """By the name of each process. `tasks`: of each coroutine how many; the warden has no event loop."""

    descriptors: dict[str, int]
    tasks: dict[str, str]


class Three:
    """A server, its worker, and the worker's warden; all run, and the worker is online."""

    def __init__(self, server: Server, worker: Worker) -> None:
        self._loops: dict[str, Process] = {"server": server, "worker": worker}
        (warden,) = children(worker.pid)
        self.pids = {"server": server.pid, "worker": worker.pid, "warden": warden}

    def rss(self) -> dict[str, int]:
        """Resident bytes."""
        return {name: rss_bytes(pid) for name, pid in self.pids.items()}

    def stand(self) -> Idle:
        """As it is now."""
        descriptors = {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in self.pids.items()}
        return Idle(descriptors, {name: tasks_of(process) for name, process in self._loops.items()})

    def idle(self, within: float = 60.0) -> Idle:
        """Once it stays the same for a while."""
        return until(_steady(self.stand), "all three are idle", within, _LOOK_SEC) or self.stand()


def tasks_of(process: Process) -> str:
    """What the process says that its event loop has under way."""
    before = len(_TASKS.findall(_log(process.log)))
    process.send(signal.SIGUSR1)
    told = until(lambda: _TASKS.findall(_log(process.log))[before:], "it tells its tasks", 20)
    return f"{told[-1][0]}: {told[-1][1]}"


def leases_lost(server: Process) -> set[str]:
    """The workers of which the server says that their lease was over."""
    return set(_OVER.findall(_log(server.log))) - _NOT_THERE


def _log(path: Path) -> str:
    return path.read_text(errors="replace")


def _steady(look: Callable[[], Idle]) -> Callable[[], Idle | None]:
    seen: list[Idle] = []

    def steady() -> Idle | None:
        seen.append(look())
        return seen[-1] if len(seen) >= _ALIKE and all(one == seen[-1] for one in seen[-_ALIKE:]) else None

    return steady
