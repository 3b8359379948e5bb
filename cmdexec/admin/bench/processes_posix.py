"""What the kernel says of the processor time and the memory of processes."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from cmdexec.admin.bench.failed import failed


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time so far: of the process, and of its children that have ended and were waited for
    (proc(5), /proc/PID/stat; in steps of 10 ms)."""

    own: float
    ended_children: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.own - other.own, self.ended_children - other.ended_children)


@dataclass(frozen=True, slots=True)
class Processes:
    """The three of `serve --with-worker`, or of a server and a worker of its own."""

    server: int
    worker: int
    warden: int

    def cpu(self) -> dict[str, Cpu]:
        """Of each by name."""
        return {"server": cpu_of(self.server), "worker": cpu_of(self.worker), "warden": cpu_of(self.warden)}


def cpu_of(pid: int) -> Cpu:
    """Of a living process."""
    with _known(pid):
        times = psutil.Process(pid).cpu_times()
    return Cpu(times.user + times.system, times.children_user + times.children_system)


def rss_mb(pid: int) -> float:
    """Resident memory now, in MB of 10^6 bytes."""
    with _known(pid):
        return float(psutil.Process(pid).memory_info().rss) / 1e6


def peak_rss_mb(pid: int) -> float:
    """The largest resident memory so far, in MB (proc(5), VmHWM of /proc/PID/status, which is in KiB)."""
    with _known(pid):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    raise failed(f"The kernel does not tell the peak of the memory of process {pid}.")


def pss_mb(pid: int) -> float | None:
    """Resident memory in MB, with what is shared counted in parts; None where only root may know it, as of a process
    that hides its memory."""
    with _known(pid):
        try:
            return float(psutil.Process(pid).memory_full_info().pss) / 1e6
        except psutil.AccessDenied:
            return None


def worker_of(pid: int) -> Processes | None:
    """The worker and its warden below a server or, where `pid` is a worker, that one; None while they are not there."""
    try:
        top = psutil.Process(pid)
        below = [top, *top.children(recursive=True)]
        workers = [process.pid for process in below if "worker" in process.cmdline()]
        wardens = [process.pid for process in below if process.ppid() in workers]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return Processes(pid, workers[0], wardens[0]) if len(workers) == len(wardens) == 1 else None


@contextmanager
def _known(pid: int) -> Iterator[None]:
    try:
        yield
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError) as wrong:
        raise failed(f"Process {pid}, which was measured, has ended.") from wrong


def spawn_and_wait(command: list[str]) -> None:
    """Make a process without output and wait for its end: the least that any way to run a command takes."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        pid = os.posix_spawnp(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, fd) for fd in (0, 1, 2)]
        )
        os.waitpid(pid, 0)
    finally:
        os.close(nowhere)


def allow_files(count: int) -> None:
    """Let this process, and those it makes, have that many open files, as far as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
