"""Ctrl-C and SIGTERM, counted while something goes on."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from cmdexec.system.signals import hearing

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
        me = asyncio.current_task()
        try:
            with hearing(dict.fromkeys(_SIGNALS, partial(self._interrupted, me))):
                return await work()
        except asyncio.CancelledError:
            if self._count < self._leave_at or me is None:
                raise
            me.uncancel()
            return left()

    def _interrupted(self, me: "asyncio.Task[T] | None") -> None:
        self._count += 1
        self.first.set()
        if self._count == self._leave_at and me is not None:
            me.cancel()
