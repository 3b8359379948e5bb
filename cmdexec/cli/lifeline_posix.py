"""How a private server and its worker learn that the command which started them is gone, kill -9 included.

The lifeline is a FIFO in the private data folder. The command holds it open for writing and never writes; the others
read. When the last writer is gone, whatever became of it, every reader sees the end. Nothing has to be handed down from
process to process for that, so it does not matter who started whom, or how often.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cmdexec.errors import Refused

FILE = "lifeline"


class Lifeline:
    """The writing end. Must be held for as long as the others shall run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        os.mkfifo(self.path, 0o600)
        both = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)  # for writing alone it would wait for a reader
        self._held: int | None = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        os.close(both)

    def let_go(self) -> None:
        """Tell all who hang on it to end; twice is fine."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def anybody(self) -> bool:
        """Whether somebody still hangs on it."""
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return False
        return True


def abandoned(path: Path) -> bool:
    """Whether `path` is a lifeline that nobody holds."""
    try:
        reading = _reading_end(path)
    except (OSError, Refused):
        return False
    try:
        return _lost(reading)
    finally:
        os.close(reading)


@contextmanager
def hanging_on(path: Path | None, when_lost: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Call `when_lost` once the lifeline at `path` is let go; nothing happens when `path` is None.

    Gives a function that says whether it was lost. Used inside a running loop. Raises Refused if it is no lifeline.
    """
    lost = False
    if path is None:
        yield lambda: False
        return

    def look() -> None:
        nonlocal lost
        if _lost(reading):
            loop.remove_reader(reading)
            lost = True
            when_lost()

    try:
        reading = _reading_end(path)
    except OSError as wrong:
        raise Refused("bad_data_dir", f"{path} is no lifeline: {wrong.strerror}.") from wrong
    loop = asyncio.get_running_loop()
    loop.add_reader(reading, look)
    loop.call_soon(look)  # before the first look nobody may have been there, which wakes no reader
    try:
        yield lambda: lost
    finally:
        loop.remove_reader(reading)
        os.close(reading)


def _reading_end(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("bad_data_dir", f"{path} is no lifeline.")
    return descriptor


def _lost(reading: int) -> bool:
    try:
        return os.read(reading, 1) == b""
    except BlockingIOError:
        return False
