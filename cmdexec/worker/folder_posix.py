"""The worker's data folder: for its owner alone, one process at a time."""

import contextlib
import fcntl
import os
from pathlib import Path

from cmdexec.clock import Clock
from cmdexec.errors import CmdexecError

LOCK_FILE = "worker.lock"
WARDEN_LOCK_FILE = "warden.lock"

_LAID_READY = {"cmdexec.toml", "credential", "lost+found"}
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
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check()
            self._lock = _open(self.path / LOCK_FILE)
        except OSError as wrong:
            raise self._bad(f"cannot be used: {wrong.strerror}") from wrong
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as wrong:
            pid = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise CmdexecError(
                "in_use",
                f"The data folder {self.path} is in use by another worker: process {pid}.",
                field="DATA_DIR",
                mend="End that one first, or name another folder with --data-dir.",
            ) from wrong
        except OSError as wrong:
            raise self._bad(f"cannot be locked: {wrong.strerror}") from wrong
        with contextlib.suppress(OSError):  # the number is for people; the lock holds without
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _check(self) -> None:
        status = self.path.stat()
        if status.st_uid != os.geteuid():
            raise self._bad("belongs to another user")
        if status.st_mode & 0o077:
            here = {entry.name for entry in os.scandir(self.path)}
            if LOCK_FILE not in here and not here <= _LAID_READY:
                raise self._bad(
                    "holds files of something else, and others may read it",
                    "Name an empty or a new folder with --data-dir, or make this one your own: chmod 700.",
                )
            self.path.chmod(0o700)

    async def wait_for_warden(self, clock: Clock, within_sec: float, look_sec: float) -> None:
        """Wait until the jobs of an earlier process are gone, looking each `look_sec`; hold `warden_lock`. Raises
        CmdexecError(`in_use` | `bad_data_dir`)."""
        try:
            self.warden_lock = _open(self.path / WARDEN_LOCK_FILE)
        except OSError as wrong:
            raise self._bad(f"cannot be used: {wrong.strerror}") from wrong
        end = clock.elapsed() + within_sec
        while True:
            try:
                fcntl.flock(self.warden_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as wrong:
                if clock.elapsed() >= end:
                    raise CmdexecError(
                        "in_use",
                        "Jobs of an earlier process of this worker are still being ended.",
                        mend="Look for processes that cannot be killed, or start the worker again a little later.",
                    ) from wrong
            except OSError as wrong:
                raise self._bad(f"cannot be locked: {wrong.strerror}") from wrong
            await clock.sleep(look_sec)

    def release(self) -> None:
        """Let go of it. Twice is fine."""
        for fd in (self.warden_lock, self._lock):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        self.warden_lock = self._lock = -1

    def _bad(self, what: str, mend: str = "Name a folder of this user with --data-dir.") -> CmdexecError:
        return CmdexecError("bad_data_dir", f"The data folder {self.path} {what}.", field="DATA_DIR", mend=mend)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
