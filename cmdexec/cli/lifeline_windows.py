"""A lifeline as Windows can have it: a file that the command keeps locked. The system lets go of the lock when the
command is gone, whatever became of it; the others look now and then, and keep a file of their own open beside it."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cmdexec.errors import Refused
from cmdexec.system import files

FILE = "lifeline"
_HANGING = "hanging"
_LOOK_SEC = 0.1


class Lifeline:
    """The end that is held. Must be held for as long as the others shall run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._held: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | files.CLOSED_ON_EXEC, 0o600)
        files.lock(self._held)

    def let_go(self) -> None:
        """Tell all who hang on it to end; twice is fine."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def anybody(self) -> bool:
        """Whether somebody still hangs on it: an open file cannot be deleted."""
        for one in self.path.parent.glob(f"{_HANGING}.*"):
            try:
                one.unlink()
            except OSError:
                return True
        return False


def abandoned(path: Path) -> bool:
    """Whether `path` is a lifeline that nobody holds."""
    return path.is_file() and files.locked(path) is None


@contextmanager
def hanging_on(path: Path | None, when_lost: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Call `when_lost` once the lifeline at `path` is let go; nothing happens when `path` is None.

    Gives a function that says whether it was lost. Used inside a running loop. Raises Refused if it is no lifeline.
    """
    lost = False
    if path is None:
        yield lambda: False
        return
    if not path.is_file():
        raise Refused("bad_data_dir", f"{path} is no lifeline.")
    loop = asyncio.get_running_loop()

    def look() -> None:
        nonlocal lost, timer
        if abandoned(path):
            lost = True
            when_lost()
        else:
            timer = loop.call_later(_LOOK_SEC, look)

    timer = loop.call_later(0, look)
    mine = path.with_name(f"{_HANGING}.{os.getpid()}")
    open_file = os.open(mine, os.O_RDWR | os.O_CREAT | files.CLOSED_ON_EXEC, 0o600)
    try:
        yield lambda: lost
    finally:
        timer.cancel()
        os.close(open_file)
        with suppress(OSError):
            mine.unlink()
