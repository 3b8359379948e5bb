"""Opening the server's data folder: its owner's alone, one server at a time."""

import errno
import fcntl
import os
import stat
from functools import partial
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.server.folder import Folder

LOCK = "server.lock"


def open_folder(path: Path) -> Folder:
    """Open `path` for this process alone; it is made, with mode 0700, if it is not there.

    Raises CmdexecError: `in_use` if a server runs in it, `bad_data_dir` if it cannot be used.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = path.stat()
    except (FileExistsError, NotADirectoryError) as wrong:
        raise _bad(path, "is not a folder", "Name a folder as DATA_DIR (--data-dir).") from wrong
    except OSError as wrong:
        raise _cannot(path, wrong) from wrong
    if about.st_uid != os.geteuid():
        raise _bad(path, "belongs to another user", "Name a folder of this user's own, or run as its owner.")
    try:
        if stat.S_IMODE(about.st_mode) & 0o077:
            if not _ours(path):
                raise _bad(
                    path, "holds files of something else, and others may read it",
                    "Name an empty or a new folder as DATA_DIR (--data-dir), or make this one your own: chmod 700.",
                )  # fmt: skip
            path.chmod(0o700)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as wrong:
        raise _cannot(path, wrong) from wrong
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as wrong:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        os.close(lock)
        if wrong.errno not in (errno.EAGAIN, errno.EACCES):
            raise _cannot(path, wrong) from wrong
        who = f" (process {holder})" if holder.isdigit() else ""
        raise CmdexecError(
            "in_use", f"A server{who} runs in {path} already.", field="DATA_DIR",
            mend="Use that one, stop it, or give this one a folder of its own with --data-dir.",
        ) from wrong  # fmt: skip
    return Folder(path, partial(os.close, lock))


def _ours(path: Path) -> bool:
    """Whether a server ran here before, or what is here may lie ready for a first one (`lost+found`: the root of a
    file system). What others use is not closed to them."""
    here = {entry.name for entry in os.scandir(path)}
    return LOCK in here or here <= {"cmdexec.toml", "lost+found"}


def _cannot(path: Path, wrong: OSError) -> CmdexecError:
    if wrong.errno == errno.EROFS:
        return _bad(path, "is on a file system that can only be read", "Name another folder as DATA_DIR (--data-dir).")
    if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
        return _bad(path, "is on a full disk", "Make room there, or name another folder as DATA_DIR (--data-dir).")
    return _bad(path, "cannot be written to by this user", "Change its mode, or name another as DATA_DIR (--data-dir).")


def _bad(path: Path, what: str, mend: str) -> CmdexecError:
    return CmdexecError("bad_data_dir", f"{path} {what}.", field="DATA_DIR", mend=mend)
