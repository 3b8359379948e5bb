"""Processes as /proc shows them, and signals that cannot hit another process that got the same number."""

import os
import signal
from collections.abc import Callable

JIFFIES_PER_SEC = os.sysconf("SC_CLK_TCK")
"""The unit of a start time in /proc."""

_FREEZE_ROUNDS = 16


class Process:
    """One process; `start` (jiffies since boot) and `pid` together name it for as long as the machine runs."""

    __slots__ = ("name", "parent", "pid", "session", "start", "state")

    def __init__(self, pid: int, name: str, state: str, parent: int, session: int, start: int) -> None:
        self.pid = pid
        self.name = name
        self.state = state
        self.parent = parent
        self.session = session
        self.start = start

    @property
    def ended(self) -> bool:
        """Dead, at most not yet reaped."""
        return self.state in "ZXx"

    @property
    def key(self) -> tuple[int, int]:
        """What it is told apart by."""
        return self.pid, self.start

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.name})"


def read_file(path: str) -> bytes:
    """All of a small file of /proc or a cgroup, read anew. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, 65536)
        while more := os.read(descriptor, 65536) if len(content) >= 4096 else b"":
            content += more
        return content
    finally:
        os.close(descriptor)


def read(pid: int) -> Process | None:
    """The process with this number now; None when there is none."""
    try:
        stat = read_file(f"/proc/{pid}/stat")
    except OSError:
        return None
    head, _, tail = stat.rpartition(b")")  # the name may hold spaces and brackets: proc_pid_stat(5)
    fields = tail.split()
    if len(fields) < 20:
        return None
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Process(pid, name, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def snapshot() -> dict[int, Process]:
    """All processes of the machine by number; those that begin or end meanwhile may be missing."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := read(int(name))) is not None:
            found[process.pid] = process
    return found


def with_descendants(roots: list[Process], processes: dict[int, Process]) -> list[Process]:
    """`roots` and everything below them, dead ones left out."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += children.get(process.pid, ())
    return [process for process in found.values() if not process.ended]


def children() -> set[int]:
    """The numbers of this thread's children, dead and not yet reaped ones too.

    The kernel's list is exact here, as only its reader reaps them: a child cannot vanish while the list is read.
    """
    try:
        return {int(pid) for pid in read_file("/proc/thread-self/children").split()}
    except OSError:  # a kernel built without CONFIG_PROC_CHILDREN
        own = os.getpid()
        return {process.pid for process in snapshot().values() if process.parent == own}


def send(process: Process, number: int) -> bool:
    """Send a signal to exactly this process; False when it is gone or may not be signalled."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError as error:
        if isinstance(error, ProcessLookupError):
            return False
        return _send_by_number(process, number)
    try:
        # The descriptor names whoever had the number when it was opened; only the start time says that it is ours.
        if (now := read(process.pid)) is None or now.start != process.start:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _send_by_number(process: Process, number: int) -> bool:
    """Without pidfd (a kernel before 5.3, a filter): the start time is compared at the last moment."""
    if (now := read(process.pid)) is None or now.start != process.start:
        return False
    try:
        os.kill(process.pid, number)
    except OSError:
        return False
    return True


def terminate(processes: list[Process]) -> None:
    """TERM to each, and CONT, so that a stopped one can act on it."""
    for process in processes:
        if send(process, signal.SIGTERM):
            send(process, signal.SIGCONT)


def stop_all(find: Callable[[], list[Process]]) -> list[Process]:
    """STOP whatever `find` shows until it shows nothing new, so that nobody forks away; all of it."""
    stopped: dict[tuple[int, int], Process] = {}
    for _ in range(_FREEZE_ROUNDS):
        new = [process for process in find() if process.key not in stopped]
        if not new:
            break
        for process in new:
            send(process, signal.SIGSTOP)
            stopped[process.key] = process
    return list(stopped.values())


def stop_then_kill(find: Callable[[], list[Process]]) -> None:
    """KILL all that `find` shows."""
    for process in stop_all(find):
        send(process, signal.SIGKILL)
