"""Files as Windows has them. A data folder lies in the user's profile, which the system keeps others out of: there are
no modes to look at. Locks hold a byte far behind the end, as what is locked cannot be read by others."""

import msvcrt
import os
import shutil
from pathlib import Path

CLOSED_ON_EXEC = os.O_NOINHERIT | os.O_BINARY
NO_LINKS = 0
_LOCKED_AT = 1 << 30


def read_at(descriptor: int, count: int, place: int, /) -> bytes:
    """Nobody else reads or writes the same descriptor meanwhile: it has one place."""
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, count)


def write_at(descriptor: int, data: bytes | memoryview, place: int, /) -> int:
    """As `read_at`."""
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.write(descriptor, data)


def lock(descriptor: int) -> None:
    """Lock the file for this process alone, at once. Raises BlockingIOError if another has it, OSError."""
    try:
        _lock(descriptor, msvcrt.LK_NBLCK)
    except PermissionError as wrong:
        raise BlockingIOError(wrong.errno, wrong.strerror) from wrong


def locked(path: Path) -> str | None:
    """What the process that has locked the file wrote into it; None if none has, or there is no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | CLOSED_ON_EXEC)
    except OSError:
        return None
    try:
        _lock(descriptor, msvcrt.LK_NBLCK)
        _lock(descriptor, msvcrt.LK_UNLCK)
    except OSError:
        return read_at(descriptor, 32, 0).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int, how: int) -> None:
    os.lseek(descriptor, _LOCKED_AT, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, how, 1)
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def is_another_users(status: os.stat_result) -> bool:
    """Not told by a mode here."""
    return False


def is_shared(status: os.stat_result) -> bool:
    """As `is_another_users`."""
    return False


def open_to_others(status: os.stat_result) -> bool:
    """As `is_another_users`."""
    return False


def close_to_others(path: Path, *, folder: bool = False) -> None:
    """It is closed to them by where it lies."""


def sync_folder(folder: Path) -> None:
    """A folder cannot be flushed here; NTFS writes a new name down with its file."""


def free_bytes(path: Path) -> int:
    """What this user may still write to its disk. Raises OSError."""
    return shutil.disk_usage(path).free
