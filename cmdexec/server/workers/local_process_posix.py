"""The process of the server's own worker: signals, on Linux by a descriptor where it is not our child."""

import os
import signal
from collections.abc import Callable, Sequence

END = signal.SIGTERM
HURRY = signal.SIGINT
"""What asks a worker that is ending to end sooner. A second SIGTERM would be lost if the first was not taken yet."""


class Child:
    """A process that we made, in a session of its own, so that Ctrl-C in the server's terminal is the server's alone.
    It is not reaped before it is asked for, so until then its pid is no other's. Raises OSError."""

    def __init__(self, command: Sequence[str]) -> None:
        nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1)]
        self.pid = os.posix_spawnp(command[0], list(command), os.environ, file_actions=nothing, setsid=True)
        self.code: int | None = None

    def alive(self) -> bool:
        """Whether it has not ended yet; if it has, `code` says with what, negative for a signal."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid == self.pid else None
        return self.code is None

    def tell(self, which: int) -> None:
        """END or HURRY."""
        os.kill(self.pid, which)


def tell_other(pid: int, which: int, still: Callable[[], bool]) -> bool:
    """The same to a process that is not ours, if it is `still` the one that is meant once it is held; False: it is not
    there. Where the system cannot hold one, the pid is looked at right before."""
    hold, send = getattr(os, "pidfd_open", None), getattr(signal, "pidfd_send_signal", None)
    try:
        process = None if hold is None else hold(pid)
    except OSError:
        return False
    try:
        if not still():
            return False
        if process is None or send is None:
            os.kill(pid, which)
        else:
            send(process, which)
    except OSError:
        return False
    finally:
        if process is not None:
            os.close(process)
    return True
