"""What a warden that died alone leaves running, and its end. Done in the worker, as nobody else is left to do it."""

import asyncio
import os
from dataclasses import dataclass, field

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.cgroup import CgroupTree
from cmdexec.worker.warden.session import Marks, marks_in, marks_of, tag_of

__all__ = ["Aftermath", "marks_in"]

_FIRST_WAIT_SEC = 0.002
_LAST_WAIT_SEC = 0.05


@dataclass(slots=True)
class Aftermath:
    """The jobs of a dead warden.

    `mode` and `place` are as it named them. `mains` are the main processes' numbers, which are their sessions' too, and
    `attempts` the job ids and attempt numbers: by these their processes are known where there is no cgroup. There the
    worker must be a subreaper, so that all of them descend from it.
    """

    mode: str
    place: str
    mains: set[int]
    attempts: set[Marks]
    _killed: set[int] = field(default_factory=set)

    async def end_all(self, limit_sec: float) -> list[proc.Process]:
        """Kill until nothing is left, at most `limit_sec`; what then still lives."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_sec
        wait = _FIRST_WAIT_SEC
        while True:
            left = self._kill_in_cgroups() if self.place else self._kill_by_descent()
            self._reap()
            if not left or loop.time() >= deadline:
                return left
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LAST_WAIT_SEC)

    def _kill_in_cgroups(self) -> list[proc.Process]:
        tree = CgroupTree(2 if self.mode == "cgroup2" else 1, self.place)
        found = tree.processes()
        if found or not tree.is_empty():
            tree.kill()
        else:
            tree.remove()
        return found

    def _kill_by_descent(self) -> list[proc.Process]:
        found = self._descendants()
        if found:
            proc.stop_then_kill(self._descendants)
        return found

    def _descendants(self) -> list[proc.Process]:
        own = os.getpid()
        processes = proc.snapshot()
        roots = [process for process in processes.values() if process.parent == own and self._is_ours(process)]
        found = proc.with_descendants(roots, processes)
        self._killed.update(process.pid for process in found)
        return found

    def _is_ours(self, process: proc.Process) -> bool:
        return (
            process.session in self.mains
            or process.pid in self._killed
            or tag_of(process.pid) is not None
            or marks_of(process.pid) in self.attempts
        )

    def _reap(self) -> None:
        """Those that became our children; nobody else waits for them. A dead one still bears its OOM score."""
        own = os.getpid()
        for process in proc.snapshot().values():
            if process.parent == own and process.ended and self._is_ours(process):
                try:
                    os.waitpid(process.pid, os.WNOHANG)
                except ChildProcessError:
                    continue
