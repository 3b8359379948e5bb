"""Files as POSIX has them; flock(2) for locks, which are one process's until it closes the file."""

import fcntl
import os
import stat
from pathlib import Path

CLOSED_ON_EXEC = os.O_CLOEXEC
"""For `os.open`: no child inherits it."""
NO_LINKS = os.O_NOFOLLOW
"""For `os.open`: not through a symbolic link."""


def read_at(descriptor: int, count: int, place: int, /) -> bytes:
    """Up to `count` bytes from that place on. Raises OSError."""
    return os.pread(descriptor, count, place)


def write_at(descriptor: int, data: bytes | memoryview, place: int, /) -> int:
    """How many of the bytes were written there. Raises OSError."""
    return os.pwrite(descriptor, data, place)


def lock(descriptor: int) -> None:
    """Lock the file for this process alone, at once. Raises BlockingIOError if another has it, OSError."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def locked(path: Path) -> str | None:
    """What the process that has locked the file wrote into it; None if none has, or there is no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    return None


def is_another_users(status: os.stat_result) -> bool:
    """Whether it does not belong to the user of this process."""
    return status.st_uid != os.geteuid()


def is_shared(status: os.stat_result) -> bool:
    """Whether another user could have written it."""
    return is_another_users(status) or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def open_to_others(status: os.stat_result) -> bool:
    """Whether others than its owner may do anything with it."""
    return bool(stat.S_IMODE(status.st_mode) & 0o077)


def close_to_others(path: Path, *, folder: bool = False) -> None:
    """From now on only its owner may do anything with it. Raises OSError."""
    path.chmod(0o700 if folder else 0o600)


def sync_folder(folder: Path) -> None:
    """The names in it are on the disk when this returns (fsync(2)). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int:
    """What this user may still write to its file system. Raises OSError."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize
