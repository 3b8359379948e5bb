"""The worker on the server's own machine (`serve --with-worker`): a process of its own, kept alive.

It is not killed with the server: jobs that run go on, and the next server in this folder takes the same worker up.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.server.workers.local_process import END, HURRY, Child, tell_other
from cmdexec.settings.server import ServerSettings
from cmdexec.system.files import locked

CREDENTIAL_FILE = "credential"
LOCK_FILE = "worker.lock"
"""Held by a worker for as long as it lives; it contains its pid."""

_REVOKED = 4
"""What a worker ends with when its server wants it no more (`cmdexec worker --help`)."""

_LOOK_SEC = 0.1
_LONGEST = 64
"""The most that the wait before another start is multiplied by."""


class LocalWorker:
    """A Service.

    command            starts a worker; its folder, the server's URL and `own_server` are added
    folder             the worker's data folder
    own_server         the file in which each server of this folder writes where it is: so one that is taken up finds
                       its new server
    ensure_credential  sees that the file named holds a good credential; asked once, so that one that is revoked while
                       this server runs is not made up for
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        folder: Path,
        url: str,
        own_server: Path,
        ensure_credential: Callable[[Path], Awaitable[None]],
        runtime: Runtime,
        settings: ServerSettings,
    ) -> None:
        self._command = (*command, "--data-dir", str(folder), "--server", url, "--own-server", str(own_server))
        self._ensure_credential = ensure_credential
        self._folder = folder
        self._clock = runtime.clock
        self._log = runtime.log
        self._threads = runtime.threads
        self._retry_sec = settings.local_worker_retry_sec
        self._stop_sec = settings.local_worker_stop_sec
        self._child: Child | None = None
        self._ensured = False
        self._stopping = asyncio.Event()
        self._ending = False

    async def run(self) -> None:
        """Keep one worker until cancelled, until `drain` or `close`, or until it is revoked."""
        failures = 0
        while not self._stopping.is_set():
            began = self._clock.elapsed()
            try:
                await self._one()
            except CmdexecError as fault:
                self._log.error("the server's own worker cannot be started", why=str(fault))
            except OSError as fault:
                of = fault.filename or self._command[0]
                self._log.error("the server's own worker cannot be started", why=fault.strerror, of=of)
            if self._stopping.is_set():
                return
            if self._child is not None and self._child.code == _REVOKED:
                self._log.warning(
                    "the server's own worker was revoked, so it is not started again; start the server anew to have "
                    "another one, with an id of its own"
                )
                return
            lived = self._clock.elapsed() - began
            failures = 0 if lived > _LONGEST * self._retry_sec else failures + 1
            wait = self._retry_sec * min(_LONGEST, 2 ** max(0, failures - 1))
            self._log.warning("the server's own worker has ended and is started again", after_sec=wait)
            await self._pause(wait)

    async def drain(self, within_sec: float) -> None:
        """Let it end its jobs; those that have not ended in time it hands back. Returns when it has ended, or when that
        takes longer than it may: then it is left alone."""
        self._ending = True
        self._stopping.set()
        for which, patience in ((END, within_sec), (HURRY, self._stop_sec)):
            if not await self._threads.run(partial(self._tell, which)) or await self._ends_within(patience):
                self._ending = False
                return
        self._log.warning("the server's own worker is still there; the next server takes it up again")

    def close(self) -> None:
        """Have no more to do with it. If it was just being ended, it is told to hurry."""
        self._stopping.set()
        if self._ending:
            self._tell(HURRY)
            self._ending = False

    async def _one(self) -> None:
        """One worker's life: of one that is there already, or of a new one."""
        holder = await self._threads.run(self._holder)
        if holder is not None:
            said = "a worker of an earlier server is still there and goes on, with the settings that it had"
            self._log.info(said, pid=holder)
            await self._ensure()  # the store may be another one now
            while await self._threads.run(self._holder) is not None and not self._stopping.is_set():
                await self._pause(_LOOK_SEC)
            return
        await self._threads.run(lambda: self._folder.mkdir(mode=0o700, parents=True, exist_ok=True))
        await self._ensure()
        if self._stopping.is_set():
            return
        self._child = await self._threads.run(partial(Child, self._command))
        if self._stopping.is_set():
            self._tell(END)
        while self._child.alive() and not self._stopping.is_set():
            await self._pause(_LOOK_SEC)

    async def _ensure(self) -> None:
        file = self._folder / CREDENTIAL_FILE
        if not (self._ensured and await self._threads.run(file.exists)):
            await self._ensure_credential(file)
            self._ensured = True

    def _tell(self, which: int) -> bool:
        """Ask it to end; False if there is none. Never by a bare pid: our own child's cannot be another's, and one that
        is not ours is held before it is looked at again."""
        if self._child is not None and self._child.alive():
            self._child.tell(which)
            return True
        pid = self._holder()
        return bool(pid) and tell_other(pid or 0, which, lambda: self._holder() == pid)

    async def _ends_within(self, seconds: float) -> bool:
        until = self._clock.elapsed() + seconds
        while self._alive() or await self._threads.run(self._holder) is not None:
            if self._clock.elapsed() >= until:
                return False
            await self._clock.sleep(_LOOK_SEC)
        return True

    def _alive(self) -> bool:
        return self._child is not None and self._child.alive()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _holder(self) -> int | None:
        """The process that holds the worker's folder; 0 if that is not known yet, None if nobody does."""
        text = locked(self._folder / LOCK_FILE)
        return None if text is None else int(text) if text.isdigit() else 0
