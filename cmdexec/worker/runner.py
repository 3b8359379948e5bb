"""From an assignment to a process, and from its end to a result. What a job sees is decided here, and nowhere else.

A job's environment is built from nothing: PATH (the setting JOB_PATH), HOME (its own folder) and LANG (C.UTF-8), then
the job's own variables, then CMDEXEC_JOB_ID and CMDEXEC_ATTEMPT, which nobody can override: together they are its
fencing token. Its working folder is its own, empty, 0700, and gone afterwards. In a container PATH and LANG are what
its image says.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from cmdexec.protocol.messages import Assignment
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.executors.by_order import ByOrder, container_of
from cmdexec.worker.executors.container_shape import WORK_FOLDER
from cmdexec.worker.executors.contract import End, Known, Order, Sink
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.spool.output import STREAMS
from cmdexec.worker.tidying import remove_folders

_SHELL = ("/bin/sh", "-c")


def argv_of(assignment: Assignment) -> tuple[str, ...]:
    """A line goes to the shell, a list is run as it is."""
    command = assignment.command
    return (*_SHELL, command) if isinstance(command, str) else command


def environment_of(assignment: Assignment, job_path: str, folder: str) -> dict[str, str]:
    """All that the process sees of an environment."""
    return {
        "PATH": job_path,
        "HOME": folder,
        "LANG": "C.UTF-8",
        **own_environment_of(assignment),
    }


def own_environment_of(assignment: Assignment) -> dict[str, str]:
    """What the job itself says of its environment, and its fencing token."""
    token = {"CMDEXEC_JOB_ID": assignment.job_id, "CMDEXEC_ATTEMPT": str(assignment.attempt)}
    return dict(assignment.env) | token


def _assignment_of(held: HeldAttempt) -> Assignment:
    if held.assignment is None:
        raise RuntimeError(f"{held.key} has no assignment")
    return held.assignment


class Runner:
    """Starts and ends attempts by the executor. `ended` of the attempts is told to their own `on_ended`."""

    def __init__(self, executor: ByOrder, work_dir: Path, *, settings: WorkerSettings, runtime: Runtime) -> None:
        self._executor = executor
        self._work_dir = str(work_dir)
        self._settings = settings
        self._runtime = runtime
        self._leftover: list[str] = []
        self._untidy = asyncio.Event()

    def start(self, attempts: Sequence[HeldAttempt]) -> None:
        """Make their processes. One that cannot be made ends with `start_error`, for which the machine is to blame when
        there was no folder for it."""
        orders: list[tuple[Order, Sink]] = []
        for held in attempts:
            assignment = _assignment_of(held)
            if not argv_of(assignment):
                self._fail(held, End(start_error="its command is empty"))
                continue
            folder = f"{self._work_dir}/{held.key}"
            if assignment.container is None:
                try:
                    self._make(folder)
                except OSError as wrong:
                    sentence = f"no folder could be made for it: {wrong.strerror}"
                    self._fail(held, End(start_error=sentence, machine_fault=True))
                    continue
                held.folder = folder
            orders.append((self._order_of(held, assignment, folder), held))
            held.assignment = replace(assignment, stdin=None)
        if orders:
            self._executor.start(orders)

    def take_up(self, held: HeldAttempt, *, wanted: bool, same_boot: bool) -> None:
        """Go on with the container that an earlier process made, or end that; it ends as `gone` if there is none."""
        order = self._order_of(held, _assignment_of(held), "")
        known = {name: Known(*held.spooled.stored(name)) for name in STREAMS}
        self._executor.containers.take_up(order, held, wanted=wanted, same_boot=same_boot, known=known)

    def _order_of(self, held: HeldAttempt, assignment: Assignment, folder: str) -> Order:
        container = container_of(assignment)
        if container is None:
            env = environment_of(assignment, self._settings.job_path, folder)
        else:
            folder = WORK_FOLDER
            env = {"HOME": folder, **own_environment_of(assignment)}
        return Order(
            held.key, argv_of(assignment), env, folder, timeout_sec=assignment.timeout_sec,
            kill_grace_sec=self._grace_of(held), cpu=assignment.cpu, ram_mb=assignment.ram_mb,
            stdin=assignment.stdin or b"", container=container, leased=held.record.requeue,
        )  # fmt: skip

    def refusal(self, assignment: Assignment) -> str | None:
        """Why this worker never runs such a job; None: it does."""
        return self._executor.refusal(assignment)

    @property
    def trouble(self) -> str | None:
        """Why some jobs cannot be run now; None: nothing is wrong."""
        return self._executor.containers.trouble

    def _make(self, folder: str) -> None:
        """A cleaner of old files may have taken the folder of the folders, too."""
        try:
            os.mkdir(folder, 0o700)
        except FileNotFoundError:
            os.mkdir(self._work_dir, 0o700)
            os.mkdir(folder, 0o700)

    def _fail(self, held: HeldAttempt, end: End) -> None:
        asyncio.get_running_loop().call_soon(held.ended, end)

    def terminate(self, held: HeldAttempt) -> None:
        """TERM to the whole tree, KILL after the job's grace."""
        self._executor.stop(held.key, self._grace_of(held))

    def _grace_of(self, held: HeldAttempt) -> float:
        grace = held.assignment.kill_grace_sec if held.assignment is not None else None
        return self._settings.kill_grace_sec if grace is None else grace

    def hurry(self, held: HeldAttempt) -> None:
        """The worker itself ends: no job has longer than the worker's own grace, whatever it asked for."""
        self._executor.stop(held.key, self._settings.kill_grace_sec)

    def kill(self, held: HeldAttempt) -> None:
        """KILL to the whole tree, now."""
        self._executor.stop(held.key, 0)

    def withdraw(self) -> None:
        """Make no process of what is not on its way to become one."""
        self._executor.withdraw()

    def pause(self, key: str) -> None:
        """Read no more of its output, so that it waits when its pipe is full."""
        self._executor.pause(key)

    def resume(self, keys: Sequence[str]) -> None:
        """Read their output again."""
        for key in keys:
            self._executor.resume(key)

    def tidy(self, held: HeldAttempt) -> None:
        """The process is gone: so is its folder."""
        folder, held.folder = held.folder, None
        if folder is not None:
            try:
                os.rmdir(folder)
            except OSError:  # it left files
                self._leftover.append(folder)
                self._untidy.set()

    def clear(self, held: HeldAttempt, then: Callable[[Sequence[str]], None]) -> None:
        """How it ended is on the disk: its container goes, if it had one. `then` hears what could not be removed."""
        if held.assignment is not None and held.assignment.container is not None:
            self._executor.containers.clear(held.key, then)
        else:
            then(())

    async def run(self) -> None:
        """Remove folders in which jobs left files, until cancelled."""
        while True:
            await self._untidy.wait()
            self._untidy.clear()
            folders = list(self._leftover)
            await self._runtime.threads.run(partial(remove_folders, folders, self._told))
            del self._leftover[: len(folders)]  # not before: what is cut short here is done again by `close`

    def _told(self, folder: str, wrong: OSError) -> None:
        self._runtime.log.warning("a job's folder cannot be removed", folder=folder, error=wrong.strerror)

    async def close(self) -> None:
        """Remove what is left, and the folder of the folders if nothing stays in it; nothing runs any more."""
        folders, self._leftover = self._leftover, []
        await self._runtime.threads.run(partial(self._close, folders))

    def _close(self, folders: Sequence[str]) -> None:
        remove_folders(folders, self._told)
        with contextlib.suppress(OSError):
            os.rmdir(self._work_dir)
