"""Ctrl-C and SIGTERM, counted while something goes on."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from cmdexec.bundle import once

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`first` is set by the first one; the one with the number `leave_at` ends what goes on."""

    def __init__(self, leave_at: int) -> None:
        self._leave_at = leave_at
        self._count = 0
        self.first = asyncio.Event()

    async def heed(self, work: Callable[[], Awaitable[T]], left: Callable[[], T]) -> T:
        """What `work` gives; when it was ended by an interrupt, what `left` gives."""
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        for number in _SIGNALS:
            loop.add_signal_handler(number, once(partial(self._interrupted, me)))
        try:
            return await work()
        except asyncio.CancelledError:
            if self._count < self._leave_at or me is None:
                raise
            me.uncancel()
            return left()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _interrupted(self, me: "asyncio.Task[T] | None") -> None:
        self._count += 1
        self.first.set()
        if self._count == self._leave_at and me is not None:
            me.cancel()
