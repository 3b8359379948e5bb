"""Processes as /proc shows them, and signals that cannot hit another process that got the same number."""

import os
import signal
from collections.abc import Callable

JIFFIES_PER_SEC = os.sysconf("SC_CLK_TCK")
"""The unit of a start time in /proc."""

_FREEZE_ROUNDS = 16
_READ_BYTES = 65536
"""However much is asked for, one read gives of a list as many whole lines as fit a page."""
_SHORT_BYTES = 1024
"""After a read of less the list of children is at its end: another number would have fitted."""
_CHILDREN = "/proc/thread-self/children"
_LISTS_CHILDREN = os.path.exists(_CHILDREN)
"""Whether the kernel was built with CONFIG_PROC_CHILDREN."""


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


def read_start(path: str) -> bytes:
    """All of a short file of /proc or a cgroup, the first page of a long one. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _READ_BYTES)
    finally:
        os.close(descriptor)


def read_file(path: str) -> bytes:
    """All of a file of /proc or a cgroup. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = piece = os.read(descriptor, _READ_BYTES)
        while piece:
            piece = os.read(descriptor, _READ_BYTES)
            content += piece
        return content
    finally:
        os.close(descriptor)


def read(pid: int) -> Process | None:
    """The process with this number now; None when there is none."""
    try:
        stat = read_start(f"/proc/{pid}/stat")
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


def below(roots: list[Process]) -> list[Process]:
    """The same, found from `roots` downwards: it costs by their number, not by that of all on the machine.

    Who forks meanwhile may be missed, as in a snapshot: stop them, and look again.
    """
    if not _LISTS_CHILDREN:
        return with_descendants(roots, snapshot()) if roots else []
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += [child for pid in _children_of(process.pid) if (child := read(pid)) is not None]
    return [process for process in found.values() if not process.ended]


def _children_of(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has ended, and so has no children
        return []
    found: list[int] = []
    for thread in threads:
        try:
            found += map(int, read_file(f"/proc/{pid}/task/{thread}/children").split())
        except OSError:
            continue
    return found


class Children:
    """The children of the thread that made this object, dead and not yet reaped ones too.

    The kernel's list is exact here, as only its reader reaps them: a child cannot vanish while the list is read. The
    file is kept open, as finding it costs twenty times as much as reading it.
    """

    def __init__(self) -> None:
        self._list = os.open(_CHILDREN, os.O_RDONLY | os.O_CLOEXEC) if _LISTS_CHILDREN else -1

    def numbers(self) -> set[int]:
        """Those of now."""
        if self._list < 0:
            own = os.getpid()
            return {process.pid for process in snapshot().values() if process.parent == own}
        content = piece = os.pread(self._list, _READ_BYTES, 0)
        while len(piece) > _SHORT_BYTES:
            piece = os.pread(self._list, _READ_BYTES, len(content))
            content += piece
        return set(map(int, content.split()))


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
