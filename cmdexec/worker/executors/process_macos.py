"""Jobs as processes of macOS: each leads a group of its own, and a keeper ends them when the worker is gone.

What Linux has beyond that is missing: who leaves the group and loses its parent between two looks gets away, and memory
is watched, not bounded. Unproven: written and type-checked for macOS, run on Linux alone.
"""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from typing import Literal

from cmdexec.bundle import environment_of_a_part
from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors.contract import Order
from cmdexec.worker.executors.process_threads import CannotStartError, ThreadedExecutor, read_ends
from cmdexec.worker.executors.process_threads import Tree as Planted
from cmdexec.worker.warden.keeper_macos import command
from cmdexec.worker.warden.trees_macos import Tree

_MIB = 1 << 20


class ProcessExecutor(ThreadedExecutor):
    """Implements `contract.Executor`. `lock_fd` is held open by the keeper as well, until the last tree is gone."""

    mode = "group"
    limits: Literal["watched"] | None = "watched"

    def __init__(self, *, settings: WorkerSettings, lock_fd: int | None, log: Log, mode: str = "auto") -> None:
        super().__init__(settings=settings, log=log)
        self._lock_fd = lock_fd
        self._keeper: subprocess.Popen[bytes] | None = None

    async def open(self) -> None:
        """Start the keeper. Raises CmdexecError."""
        try:
            self._keeper = self._start_keeper()
        except OSError as wrong:
            raise CmdexecError(
                "no_executor", f"The process that ends jobs could not be started: {wrong.strerror}.",
                mend="Look at the limits on processes and open files.",
            ) from wrong  # fmt: skip
        self.warden_pid = self._keeper.pid
        await super().open()

    def _start_keeper(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command(self.settings.kill_deadline_sec), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0,
            cwd="/", env=environment_of_a_part(), pass_fds=[] if self._lock_fd is None else [self._lock_fd],
            start_new_session=True,
        )  # fmt: skip

    def plant(self, order: Order) -> Planted:
        """Make its process, and have the keeper know of it."""
        made = GroupTree(order, self.say)
        self.say(f"+{made.pid}")
        return made

    async def close(self) -> None:
        """Kill every tree, tell every sink, end the keeper."""
        await super().close()
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None

    def say(self, what: str) -> None:
        """One line to the keeper: less than a pipe takes at once, so those of several threads do not mix."""
        if self._keeper is not None and self._keeper.stdin is not None:
            try:
                self._keeper.stdin.write(f"{what}\n".encode())
            except OSError:
                self._log.error("the process that ends jobs when the worker dies is gone")


class GroupTree:
    """Implements `Tree`. `say`: what the keeper is told."""

    def __init__(self, order: Order, say: Callable[[str], None]) -> None:
        self._order = order
        self._say = say
        self._peak, self._cpu = 0, 0.0
        self._code: int | None = None
        self._pause = threading.Event()
        with tempfile.TemporaryFile() as given:
            given.write(order.stdin)
            given.seek(0)
            try:
                self._process = subprocess.Popen(
                    list(order.argv), env=dict(order.env), cwd=order.cwd, stdin=given, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
                )  # fmt: skip
            except (OSError, ValueError) as wrong:
                raise _cannot_start(order, wrong) from wrong
        self.pid = self._process.pid
        self._tree = Tree(self.pid)
        self.outputs = read_ends(self._process)

    def wait(self, seconds: float) -> int | None:
        if self._code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == self.pid:
                self._cpu = usage.ru_utime + usage.ru_stime
                self._code = self._process.returncode = os.waitstatus_to_exitcode(status)
                return self._code
        self._pause.wait(seconds)
        return self._code

    def terminate(self) -> None:
        self._tree.terminate()

    def kill(self) -> None:
        self._tree.kill()

    def left(self) -> list[str]:
        return [str(process) for process in self._tree.members()]

    def over(self) -> str | None:
        used = sum(process.rss for process in self._tree.members())
        self._peak = max(self._peak, used)
        if self._order.ram_mb is None or used <= self._order.ram_mb * _MIB:
            return None
        return f"it used more than its {self._order.ram_mb} MB of memory"

    def used(self) -> tuple[float, int]:
        return self._cpu, self._peak

    def close(self) -> None:
        self._say(f"-{self.pid}")


def _cannot_start(order: Order, wrong: OSError | ValueError) -> CannotStartError:
    name = order.argv[0]
    if isinstance(wrong, FileNotFoundError):
        missing = order.cwd if not os.path.isdir(order.cwd) else None
        return CannotStartError(f"no such folder: {missing}" if missing else f"no such program: {name}")
    if isinstance(wrong, PermissionError):
        return CannotStartError(f"not executable: {name}")
    if isinstance(wrong, BlockingIOError | MemoryError):
        return CannotStartError("this machine has no room for another process", machine=True)
    return CannotStartError(f"cannot start {name}: {wrong}")
