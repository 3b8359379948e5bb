"""Signals as POSIX has them."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from cmdexec.bundle import once

HANG_UP: int | None = signal.SIGHUP
"""Of a terminal that is closed."""


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
