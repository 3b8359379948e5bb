"""The server's data folder while it is open, and `runtime.json` in it, by which one's own programs find the server that
runs."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.version import __version__

RUNTIME = "runtime.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read: whole, or not at all, and on disk when this returns.

    Raises CmdexecError(`bad_data_dir`).
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as wrong:
        raise file_fault(path, wrong) from wrong


def file_fault(path: Path, wrong: OSError) -> CmdexecError:
    """What to say of a file of the data folder that the system does not let us read or write."""
    if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
        message, mend = f"There is no room left on the disk for {path}.", "Make room there, and start again."
    else:
        message, mend = f"{path} cannot be read or written: {wrong.strerror}.", "See to its owner and its mode."
    return CmdexecError("bad_data_dir", message, field="DATA_DIR", mend=mend)


class Folder:
    """An open folder; nobody else has it until `close`."""

    def __init__(self, path: Path, let_go: Callable[[], None]) -> None:
        self.path = path
        self._let_go: Callable[[], None] | None = let_go

    def must_hold(self, reserve_bytes: int) -> None:
        """Refuse a disk that could never have that much room: no job would ever be taken. Raises CmdexecError."""
        try:
            total = shutil.disk_usage(self.path).total
        except OSError:
            return  # what is wrong with it is met where it is used
        if total < reserve_bytes:
            raise CmdexecError(
                "bad_settings",
                f"The disk of the data folder {self.path} holds {total:,} bytes in all, and DISK_RESERVE_BYTES wants "
                f"{reserve_bytes:,} free before it lets a job be taken.",
                field="DISK_RESERVE_BYTES",
                mend="Lower DISK_RESERVE_BYTES, or name a folder on a larger disk as DATA_DIR (--data-dir).",
            )

    def write_runtime(self, url: str, sockets_url: str | None, others_url: str | None, token: str | None) -> None:
        """Write `runtime.json` (0600), whole or not at all. `others_url`: how other machines reach the server. Raises
        CmdexecError."""
        about = {
            "url": url, "socketsUrl": sockets_url, "othersUrl": others_url, "pid": os.getpid(), "token": token,
            "version": __version__,
        }  # fmt: skip
        write_private(self.path / RUNTIME, json.dumps(about))

    def remove_runtime(self) -> None:
        """The server can be found no more; where that cannot be done, the process that it names is gone."""
        with suppress(OSError):
            (self.path / RUNTIME).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; twice is fine."""
        if self._let_go is not None:
            self._let_go()
            self._let_go = None
