"""Who is taking its place, one after the other for each worker; and what is known of the processes that did."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cmdexec.errors import Conflict
from cmdexec.protocol.messages import Register

_KEPT_MAX = 20_000
"""Processes that are remembered: those that registered last."""


class Process:
    """One process of a worker, over all its connections.

    connection  the newest that is known, by the number that it gives them; 0: it gives none
    replaced    another process has taken its place
    """

    __slots__ = ("_beat", "connection", "replaced")

    def __init__(self) -> None:
        self.connection = 0
        self.replaced = False
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
