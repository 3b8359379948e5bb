"""Removing what jobs left in their folders, whatever that is.

A job may nest folders deeper than a path can name, or than files may be open. So nothing here goes down a tree: what
lies two levels down is moved up one, until all of it lies directly in the folder to be removed.
"""

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence

_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


def remove_folders(folders: Sequence[str], told: Callable[[str, OSError], None]) -> None:
    """Blocking: remove whole trees; links are not followed. `told` hears of each folder of which something stays, with
    the first cause; the rest of it is gone nevertheless. Raises nothing."""
    for folder in folders:
        try:
            _remove(folder)
        except FileNotFoundError:
            pass
        except OSError as wrong:
            told(folder, wrong)


def _remove(folder: str) -> None:
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        os.unlink(folder)
        return
    top = _opened(folder)
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(folder)


def _empty(top: int) -> None:
    stays: dict[str, OSError] = {}
    numbers = itertools.count()
    while names := [name for name in os.listdir(top) if name not in stays]:
        for name in names:
            try:
                _take_apart(top, name, numbers)
            except FileNotFoundError:
                pass
            except OSError as wrong:
                stays[name] = wrong
    if stays:
        raise next(iter(stays.values()))


def _take_apart(top: int, name: str, numbers: Iterator[int]) -> None:
    """Remove a file, or a folder, of which each folder with something in it becomes a neighbour."""
    if _removed(top, name):
        return
    folder = _opened(name, top)
    wrong: OSError | None = None
    try:
        for inner in os.listdir(folder):
            try:
                if not _removed(folder, inner):
                    _open_up(inner, folder)
                    _move_up(folder, inner, top, numbers)
            except OSError as each:
                wrong = wrong or each
    finally:
        os.close(folder)
    if wrong is not None:
        raise wrong
    os.rmdir(name, dir_fd=top)


def _removed(parent: int, name: str) -> bool:
    """Remove it, unless it is a folder with something in it."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return True
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as wrong:
        if wrong.errno in _TAKEN:
            return False
        raise
    return True


def _move_up(folder: int, name: str, top: int, numbers: Iterator[int]) -> None:
    for number in numbers:
        try:
            os.rename(name, f"{number}", src_dir_fd=folder, dst_dir_fd=top)
            return
        except OSError as wrong:
            if wrong.errno not in _TAKEN:
                raise


def _opened(name: str, parent: int | None = None) -> int:
    """A folder, with its owner's rights given back: a job may have taken them away."""
    _open_up(name, parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _open_up(name: str, parent: int | None) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if status.st_mode & stat.S_IRWXU != stat.S_IRWXU and status.st_uid == os.geteuid():
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
