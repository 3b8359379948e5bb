"""The worker's data folder: for its owner alone, one process at a time."""

import contextlib
import os
from pathlib import Path

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError
from cmdexec.link.data_folder import take, unusable
from cmdexec.system.files import CLOSED_ON_EXEC, lock

LOCK_FILE = "worker.lock"
WARDEN_LOCK_FILE = "warden.lock"

_LAID_READY = frozenset({"cmdexec.toml", "credential", "lost+found"})
"""What may be in a folder that no worker has used yet (`lost+found`: the root of a file system)."""


class DataFolder:
    """The folder, ours while this process lives. `warden_lock` is held open by the warden as well: it is free again
    when the last process of the last job is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warden_lock = -1
        self._lock = -1

    def take(self) -> None:
        """Blocking: make it (0700) and lock it. Raises CmdexecError(`in_use` | `bad_data_dir`)."""
        self._lock = take(self.path, LOCK_FILE, who="worker", laid_ready=_LAID_READY)

    @property
    def lock(self) -> int:
        """The descriptor of the lock, while it is held."""
        return self._lock

    async def wait_for_warden(self, clock: Clock, within_sec: float, look_sec: float) -> None:
        """Wait until the jobs of an earlier process are gone, looking each `look_sec`; hold `warden_lock`. Raises
        CmdexecError(`in_use` | `bad_data_dir`)."""
        try:
            self.warden_lock = _open(self.path / WARDEN_LOCK_FILE)
        except OSError as wrong:
            raise unusable(self.path, wrong) from wrong
        end = clock.elapsed() + within_sec
        while True:
            try:
                lock(self.warden_lock)
                return
            except BlockingIOError as wrong:
                if clock.elapsed() >= end:
                    raise CmdexecError(
                        "in_use",
                        "Jobs of an earlier process of this worker are still being ended.",
                        mend="Look for processes that cannot be killed, or start the worker again a little later.",
                    ) from wrong
            except OSError as wrong:
                raise unusable(self.path, wrong) from wrong
            await clock.sleep(look_sec)

    def release(self) -> None:
        """Let go of it. Twice is fine."""
        for fd in (self.warden_lock, self._lock):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self.warden_lock = self._lock = -1


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | CLOSED_ON_EXEC, 0o600)
