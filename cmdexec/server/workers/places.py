"""Who is taking its place, one after the other for each worker; and what is known of the processes that did."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cmdexec.errors import Conflict
from cmdexec.protocol.messages import Register

_KEPT_MAX = 20_000
"""Processes that are remembered: those that registered last."""


class Suspicion:
    """What is held against a process (`suspicion.Suspects`); seconds of the clock that counts suspended time.

    on        it begins nothing that it is given
    asked_at  when it asked for a start last
    left_sec  how long it has left what was then taken back for another worker, since it asked last or was judged
    trials    how often it was found so since it asked last
    next_at   when it is tried again
    """

    __slots__ = ("_left_at", "asked_at", "left_sec", "next_at", "on", "trials")

    def __init__(self) -> None:
        self.on = False
        self.trials = 0
        self.left_sec = self.next_at = 0.0
        self.asked_at = self._left_at = -math.inf

    def asks(self, now: float) -> None:
        """It asks for a start, so it is trusted."""
        self.on = False
        self.trials = 0
        self.left_sec = 0.0
        self.asked_at = now

    def leaves(self, since: float, now: float) -> None:
        """It had something since then that is taken back now. Time in which it had several counts once."""
        self.left_sec += max(0.0, now - max(since, self._left_at, self.asked_at))
        self._left_at = now

    def fails(self, next_at: float) -> None:
        """It was found so, or failed a trial."""
        self.on = True
        self.trials += 1
        self.left_sec = 0.0
        self.next_at = next_at

    def allows(self, now: float, waiting: int) -> bool:
        """Whether it may be given something: while it is suspect one job, when it is time for that."""
        return not self.on or (now >= self.next_at and not waiting)


class Process:
    """One process of a worker, over all its connections.

    connection  the newest that is known, by the number that it gives them; 0: it gives none
    replaced    another process has taken its place
    suspicion   whether it begins what it is given
    """

    __slots__ = ("_beat", "connection", "replaced", "suspicion")

    def __init__(self) -> None:
        self.connection = 0
        self.replaced = False
        self.suspicion = Suspicion()
        self._beat = -1

    def is_news(self, beat: int | None) -> bool:
        """Whether a heartbeat of this number was made after all that were heard before; one without a number is taken
        for that."""
        if beat is None:
            return True
        news = beat > self._beat
        self._beat = max(beat, self._beat)
        return news


class Places:
    """By worker id."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._processes: OrderedDict[tuple[str, str], Process] = OrderedDict()

    def __contains__(self, worker_id: str) -> bool:
        """Whether somebody is taking the place of this worker."""
        return worker_id in self._locks

    @asynccontextmanager
    async def taking(self, worker_id: str) -> AsyncIterator[None]:
        """Alone with it, when those who came before are done."""
        lock, users = self._locks.get(worker_id, (asyncio.Lock(), 0))
        self._locks[worker_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[worker_id]
            if users > 1:
                self._locks[worker_id] = (lock, users - 1)
            else:
                del self._locks[worker_id]

    def judge(self, worker_id: str, message: Register) -> Process:
        """The process that registers. Raises Conflict if it, or this connection of it, is not the newest."""
        if message.instance_id is None:
            return Process()  # it cannot be told apart from others
        process = self._processes.get((worker_id, message.instance_id)) or Process()
        if process.replaced:
            raise Conflict("replaced", "Another process of this worker has taken its place.")
        if 0 < message.connection < process.connection:
            raise Conflict("conflict", "This `register` comes late: the process has connected again since.")
        return process

    def keep(self, worker_id: str, message: Register, process: Process) -> None:
        """It has taken its place."""
        process.connection = max(process.connection, message.connection)
        if message.instance_id is not None:
            key = worker_id, message.instance_id
            self._processes[key] = process
            self._processes.move_to_end(key)
            while len(self._processes) > _KEPT_MAX:
                self._processes.popitem(last=False)
