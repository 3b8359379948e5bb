"""The process of the server's own worker: in a group of its own, which gets Ctrl-Break; a second one is the hurry."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence

END = HURRY = signal.CTRL_BREAK_EVENT


class Child:
    """A process that we made. Its pid is no other's while we hold it. Raises OSError."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )  # fmt: skip
        self.pid = self._process.pid
        self.code: int | None = None

    def alive(self) -> bool:
        """Whether it has not ended yet; if it has, `code` says with what."""
        self.code = self._process.poll()
        return self.code is None

    def tell(self, which: int) -> None:
        """END or HURRY."""
        os.kill(self.pid, which)


def tell_other(pid: int, which: int, still: Callable[[], bool]) -> bool:
    """The same to a process that is not ours, if it is `still` the one that is meant; False: it is not there, or its
    console is another than ours."""
    try:
        if not still():
            return False
        os.kill(pid, which)
    except OSError:
        return False
    return True
