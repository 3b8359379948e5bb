"""Ctrl-C and Ctrl-Break, which Windows makes of what a console gets. TERM is sent by nobody: Ctrl-Break stands for it,
as `cmdexec.server.workers.local_process` sends it to a worker, and a console that is closed sends that too."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from cmdexec.bundle import once

HANG_UP: int | None = None
TELL: int | None = None


@contextmanager
def hearing(handlers: Mapping[int, Callable[[], object]], *, last: bool = False) -> Iterator[None]:
    """While this is open, each signal calls its handler on the running loop, if this is the main thread. `last`: those
    that come afterwards come too late, and do nothing."""
    loop, before = asyncio.get_running_loop(), dict[int, object]()

    def told(act: Callable[[], object]) -> Callable[[int, FrameType | None], None]:
        heard = once(act)
        return lambda _number, _frame: _heard_by(loop, heard)

    for number, act in handlers.items():
        number = signal.SIGBREAK if number == signal.SIGTERM else number
        try:
            before[number] = signal.signal(number, told(act))
        except ValueError:
            continue
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if last else handler)  # type: ignore[arg-type]


def _heard_by(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(act)


def kill_session(leader: int) -> None:
    """Kill that child; what it has started ends by its pipes."""
    with suppress(OSError):
        os.kill(leader, signal.SIGTERM)
