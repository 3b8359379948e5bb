"""Signals as POSIX has them."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from cmdexec.bundle import once

HANG_UP: int | None = signal.SIGHUP
"""Of a terminal that is closed."""

TELL: int | None = signal.SIGUSR1
"""Asks a process what it does."""


@contextmanager
def hearing(handlers: Mapping[int, Callable[[], object]], *, last: bool = False) -> Iterator[None]:
    """While this is open, each signal calls its handler on the running loop. HANG_UP is left alone where this process
    was started to ignore it (nohup), and all are where there can be no handlers: outside the main thread. `last`: those
    that come afterwards come too late, and do nothing."""
    loop, heard = asyncio.get_running_loop(), list[int]()
    for number, act in handlers.items():
        if number == HANG_UP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, once(act))
            heard.append(number)
        except (ValueError, RuntimeError):
            continue
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            if last:
                signal.signal(number, signal.SIG_IGN)


def kill_session(leader: int) -> None:
    """Kill a child that was started in a session of its own, and what it has started there. The number stands for that
    session as long as anything of it is alive; nothing is done where nothing is."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
