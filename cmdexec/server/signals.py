"""The signals that end a server."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cmdexec.system.signals import HANG_UP, hearing


@contextmanager
def ending(stop: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    """While this is open, the first SIGTERM or SIGINT sets `stop`, the next `hurry`. Outside the main thread there are
    none.

    SIGHUP, of a terminal that is closed, sets `stop` as well, but never `hurry`: it may come twice, from the system and
    from the shell. A process that was started to ignore it (nohup) goes on doing so.
    """

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    handlers: dict[int, Callable[[], object]] = {signal.SIGTERM: told, signal.SIGINT: told}
    if HANG_UP is not None:
        handlers[HANG_UP] = stop.set
    with hearing(handlers):
        yield
