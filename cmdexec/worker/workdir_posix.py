"""Where jobs have their own folders: in memory, where this user has room for that."""

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.shared import GIB
from cmdexec.worker.tidying import remove_folders

ROOM_BYTES = GIB
"""A file system in memory with less room than this is not used."""

_MOUNTS = Path("/proc/self/mounts")
_UNFIT = os.ST_RDONLY | getattr(os, "ST_NOEXEC", 0)  # macOS says of no file system that nothing may be run there
_MEND = "Name a folder that this user may write to as WORK_DIR (--work-dir)."


def work_dir(named: Path | None, data_dir: Path, log: Log) -> Path:
    """Blocking: the folder of the jobs' folders, made with mode 0700 and emptied of what an earlier process left.

    In the folder that was named; else in a tmpfs with 1 GiB of room; else in the data folder. Raises CmdexecError.
    """
    folder = _in_memory(data_dir) if named is None else named / _own_name(data_dir)
    if folder is None:
        folder = data_dir / "work"
        log.info("no tmpfs of this user has room, so jobs have their folders on disk", folder=folder)
    _make(folder)
    try:
        left = [entry.path for entry in os.scandir(folder)]
    except OSError as wrong:
        raise _unusable(folder, wrong) from wrong
    remove_folders(left, lambda _folder, _wrong: None)
    return folder


def try_work_dir(named: Path, data_dir: Path) -> None:
    """Blocking: see that `work_dir` could be had there, and leave alone what is in it. Raises CmdexecError."""
    folder = named / _own_name(data_dir)
    _make(folder)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = _ours(folder.lstat())
    except OSError as wrong:
        raise _unusable(folder, wrong) from wrong
    if not ours:
        raise CmdexecError(
            "bad_data_dir", f"The folder {folder} for the jobs' folders is not this user's alone.",
            field="WORK_DIR", mend=_MEND,
        )  # fmt: skip


def _unusable(folder: Path, wrong: OSError) -> CmdexecError:
    return CmdexecError(
        "bad_data_dir", f"The folder {folder} for the jobs' folders cannot be used: {wrong.strerror}.",
        field="WORK_DIR", mend=_MEND,
    )  # fmt: skip


def _own_name(data_dir: Path) -> str:
    """A name that is this worker's: two workers may share a folder."""
    digest = hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:12]
    return f"cmdexec-{os.geteuid()}-{digest}"


def _in_memory(data_dir: Path) -> Path | None:
    """A folder of ours in the roomiest tmpfs where we may make one. Where others may too, a folder of that name that is
    not ours is left alone."""
    rooms = []
    with contextlib.suppress(OSError):
        for line in _MOUNTS.read_text().splitlines():
            _, point, kind, *_ = line.split(" ")
            if kind == "tmpfs" and (room := _room_in(Path(point))) >= ROOM_BYTES:
                rooms.append((room, point))
    for _, point in sorted(rooms, reverse=True):
        folder = Path(point) / _own_name(data_dir)
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            if _ours(folder.lstat()):
                return folder
    return None


def _room_in(point: Path) -> int:
    """Bytes of room in a tmpfs; 0 where we may not make a folder that is safe from others, or nothing may be run, or
    old files are tidied away."""
    try:
        status, room = point.stat(), os.statvfs(point)
    except OSError:
        return 0
    shared = status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH
    if not (status.st_uid == os.geteuid() or shared) or point == Path(tempfile.gettempdir()):
        return 0
    return 0 if room.f_flag & _UNFIT else room.f_bavail * room.f_frsize


def _ours(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
