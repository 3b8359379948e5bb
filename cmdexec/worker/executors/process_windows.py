"""Jobs as processes of Windows, each tree in a Job Object: it ends with the worker, whatever becomes of that, so no
warden is needed. A process is made suspended, put into the object, and only then let go.

Unproven: written and type-checked for Windows, run nowhere yet.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

import psutil

from cmdexec.log import Log
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors.contract import Order
from cmdexec.worker.executors.job_object_windows import JobObject
from cmdexec.worker.executors.process_threads import CannotStartError, ThreadedExecutor, Tree, read_ends

_MIB = 1 << 20
_SUSPENDED = 0x4
_SHELL = ("/bin/sh", "-c")
_OF_THE_SYSTEM = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "TEMP", "TMP", "WINDIR")
"""Without these few programs start at all."""


class ProcessExecutor(ThreadedExecutor):
    """Implements `contract.Executor`. The lock of the data folder is this process's alone: no job outlives it."""

    mode = "job object"
    limits: None = None

    def __init__(self, *, settings: WorkerSettings, lock_fd: int | None, log: Log, mode: str = "auto") -> None:
        super().__init__(settings=settings, log=log)

    def plant(self, order: Order) -> Tree:
        """Make its process."""
        return JobObjectTree(order, os.cpu_count() or 1)


class JobObjectTree:
    """Implements `Tree`."""

    def __init__(self, order: Order, cores: int) -> None:
        self._order = order
        ram = None if order.ram_mb is None else order.ram_mb * _MIB
        try:
            self._job = JobObject(ram, None if order.cpu is None else order.cpu / cores)
        except OSError as wrong:
            raise CannotStartError("this machine has no room for another job object", machine=True) from wrong
        try:
            self._process = _suspended(order)
        except (OSError, ValueError) as wrong:
            self._job.close()
            raise _cannot_start(order, wrong) from wrong
        try:
            self._job.take(self._process.pid)
            psutil.Process(self._process.pid).resume()
        except (OSError, psutil.Error) as wrong:
            self._process.kill()
            self._job.close()
            raise CannotStartError("its process could not be put into a job object", machine=True) from wrong
        self.pid = self._process.pid
        self.outputs = read_ends(self._process)

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        with contextlib.suppress(OSError):  # it has no console of ours: only the kill is left
            os.kill(self.pid, signal.CTRL_BREAK_EVENT)

    def kill(self) -> None:
        self._job.kill()

    def left(self) -> list[str]:
        found = []
        for pid in self._job.pids():
            with contextlib.suppress(psutil.Error):
                found.append(f"pid {pid} ({psutil.Process(pid).name()})")
        return found

    def over(self) -> str | None:
        return None  # an allocation beyond the bound fails, as the job object has it

    def used(self) -> tuple[float, int]:
        return self._job.used()

    def close(self) -> None:
        self._job.close()


def _suspended(order: Order) -> "subprocess.Popen[bytes]":
    system = {name: os.environ[name] for name in _OF_THE_SYSTEM if name in os.environ}
    with tempfile.TemporaryFile() as given:
        given.write(order.stdin)
        given.seek(0)
        return subprocess.Popen(
            _command(order.argv), env={**system, **order.env}, cwd=order.cwd, stdin=given, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | _SUSPENDED,
        )  # fmt: skip


def _command(argv: Sequence[str]) -> str | list[str]:
    """A line goes to the shell of this system, which wants it as it is, between quotes of its own (`cmd /?`)."""
    if tuple(argv[:2]) == _SHELL and len(argv) == len(_SHELL) + 1:
        return f'{os.environ.get("COMSPEC", "cmd.exe")} /d /s /c "{argv[2]}"'
    return list(argv)


def _cannot_start(order: Order, wrong: OSError | ValueError) -> CannotStartError:
    name = order.argv[0]
    if isinstance(wrong, FileNotFoundError):
        return CannotStartError(f"no such program: {name}")
    if isinstance(wrong, NotADirectoryError):
        return CannotStartError(f"no such folder: {order.cwd}")
    if isinstance(wrong, PermissionError):
        return CannotStartError(f"not executable: {name}")
    return CannotStartError(f"cannot start {name}: {wrong}")
