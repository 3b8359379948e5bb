"""The signals that end a server."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from cmdexec.bundle import once


@contextmanager
def ending(stop: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    """While this is open, the first SIGTERM or SIGINT sets `stop`, the next `hurry`. Outside the main thread there are
    none.

    SIGHUP, of a terminal that is closed, sets `stop` as well, but never `hurry`: it may come twice, from the system and
    from the shell. A process that was started to ignore it (nohup) goes on doing so.
    """

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    loop, taken, heard = asyncio.get_running_loop(), [], {signal.SIGTERM: told, signal.SIGINT: told}
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        heard[hang_up] = stop.set
    for which, means in heard.items():
        try:
            loop.add_signal_handler(which, once(means))
            taken.append(which)
        except (ValueError, RuntimeError, NotImplementedError):
            continue
    try:
        yield
    finally:
        for which in taken:
            loop.remove_signal_handler(which)
