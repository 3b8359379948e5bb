"""What a warden that died alone leaves running, and its end. Done in the worker, as nobody else is left to do it."""

import asyncio
import os
from dataclasses import dataclass

from cmdexec.worker.warden import proc
from cmdexec.worker.warden.cgroup import Cgroup

_FIRST_WAIT_SEC = 0.002
_LAST_WAIT_SEC = 0.05


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The jobs of a dead warden.

    The worker is a subreaper, so that all it left are the worker's children now, and what is below them: those that
    began after it (`since`, jiffies since boot), each job in a session of its own. What else the worker may have made
    is in its own session. `mode` and `place` are as the warden named them.
    """

    mode: str
    place: str
    since: int

    async def end_all(self, limit_sec: float) -> list[proc.Process]:
        """Kill until nothing is left, at most `limit_sec`; what then still lives."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_sec
        wait = _FIRST_WAIT_SEC
        while True:
            inside = self._kill_cgroup() if self.place else []
            descendants = self._descendants()
            if descendants:
                proc.stop_then_kill(self._descendants)
            self._reap()
            left = list({process.key: process for process in (*inside, *descendants)}.values())
            if not left or loop.time() >= deadline:
                return left
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LAST_WAIT_SEC)

    def _kill_cgroup(self) -> list[proc.Process]:
        cgroup = Cgroup(2 if self.mode == "cgroup2" else 1, self.place)
        found = cgroup.processes()
        if found or not cgroup.is_empty():
            cgroup.kill()
        else:
            cgroup.remove()
        return found

    def _descendants(self) -> list[proc.Process]:
        processes = proc.snapshot()
        return proc.with_descendants([process for process in processes.values() if self._is_ours(process)], processes)

    def _is_ours(self, process: proc.Process) -> bool:
        return process.parent == os.getpid() and process.start >= self.since and process.session != os.getsid(0)

    def _reap(self) -> None:
        """Those that became our children; nobody else waits for them."""
        for process in proc.snapshot().values():
            if process.ended and self._is_ours(process):
                try:
                    os.waitpid(process.pid, os.WNOHANG)
                except ChildProcessError:
                    continue
