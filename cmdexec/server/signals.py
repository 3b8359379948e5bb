"""The signals that end a server."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending(stop: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    """While this is open, the first SIGTERM or SIGINT sets `stop`, the next `hurry`. Outside the main thread there are
    none."""

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    loop, taken = asyncio.get_running_loop(), []
    for which in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(which, told)
            taken.append(which)
        except (ValueError, RuntimeError, NotImplementedError):
            continue
    try:
        yield
    finally:
        for which in taken:
            loop.remove_signal_handler(which)
