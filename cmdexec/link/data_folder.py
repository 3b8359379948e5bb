"""Taking a data folder: its owner's alone, one process of its kind at a time; and what is wrong with one that cannot be
taken."""

import errno
import os
from collections.abc import Collection
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.system import files

_ANOTHER = "Name another folder as DATA_DIR (--data-dir)."
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_FOLDER = frozenset({errno.EEXIST, errno.ENOTDIR})


def take(path: Path, lock: str, *, who: str, laid_ready: Collection[str]) -> int:
    """Make `path` if it is not there, close it to others (0700), and lock the file `lock` in it; the lock is held until
    the descriptor is closed.

    who         what runs in such a folder, for people: `server`
    laid_ready  what may lie in a folder that none has run in yet; with anything else in it, others may be using it

    Blocking. Raises CmdexecError: `in_use`, or `bad_data_dir`; then nothing that is there has changed.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(path, lock, laid_ready)
        held = os.open(path / lock, os.O_RDWR | os.O_CREAT | files.CLOSED_ON_EXEC | files.NO_LINKS, 0o600)
    except OSError as wrong:
        raise unusable(path, wrong) from wrong
    try:
        _lock(held, path, who)
    except BaseException:
        os.close(held)
        raise
    return held


def unusable(path: Path, wrong: OSError) -> CmdexecError:
    """What to say of a data folder that the system does not let us use."""
    if wrong.errno in _NO_FOLDER:
        return bad(path, "is not a folder", "Name a folder as DATA_DIR (--data-dir).")
    if wrong.errno == errno.EROFS:
        return bad(path, "is on a file system that can only be read", _ANOTHER)
    if wrong.errno in _NO_ROOM:
        return bad(path, "is on a full disk", "Make room there, or name another folder as DATA_DIR (--data-dir).")
    mend = "See to its owner and its mode, or name another folder as DATA_DIR (--data-dir)."
    of = "" if wrong.filename is None or Path(wrong.filename) == path else f"{wrong.filename}: "
    return bad(path, f"cannot be used: {of}{wrong.strerror}", mend)


def bad(path: Path, what: str, mend: str) -> CmdexecError:
    """A data folder that cannot be used."""
    return CmdexecError("bad_data_dir", f"The data folder {path} {what}.", field="DATA_DIR", mend=mend)


def _close_to_others(path: Path, lock: str, laid_ready: Collection[str]) -> None:
    about = path.stat()
    if files.is_another_users(about):
        raise bad(path, "belongs to another user", "Name a folder of this user's own, or run as its owner.")
    if not files.open_to_others(about):
        return
    here = {entry.name for entry in os.scandir(path)}
    if lock not in here and not here <= set(laid_ready):
        raise bad(
            path, "holds files of something else, and others may read it",
            "Name an empty or a new folder as DATA_DIR (--data-dir), or make this one your own: chmod 700.",
        )  # fmt: skip
    files.close_to_others(path, folder=True)


def _lock(held: int, path: Path, who: str) -> None:
    try:
        files.lock(held)
    except BlockingIOError as wrong:
        holder = files.read_at(held, 20, 0).decode("ascii", "replace").strip()
        named = f" (process {holder})" if holder.isdigit() else ""
        raise CmdexecError(
            "in_use", f"A {who}{named} runs in the data folder {path} already.", field="DATA_DIR",
            mend="Use that one, stop it, or give this one a folder of its own with --data-dir.",
        ) from wrong  # fmt: skip
    except OSError as wrong:
        raise bad(path, f"cannot be locked: {wrong.strerror}", _ANOTHER) from wrong
    try:
        os.ftruncate(held, 0)
        files.write_at(held, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        return  # the number is for people; the lock holds without
