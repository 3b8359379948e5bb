"""Connections that can only read, as many as calls read at once."""

import threading
from collections.abc import Callable
from typing import TypeVar

from cmdexec.errors import Unavailable
from cmdexec.runtime import Runtime
from cmdexec.store.sqlite.connection import Connection, StorageFault
from cmdexec.store.sqlite.writer import damaged

T = TypeVar("T")


class Readers:
    """Runs reading calls on the runtime's threads, each with a connection to itself.

    There are never more connections than threads. What a call reads is what was committed before it began.
    """

    def __init__(self, connect: Callable[[], Connection], runtime: Runtime, queue_items: int) -> None:
        self._connect = connect
        self._runtime = runtime
        self._queue_items = queue_items
        self._waiting = 0
        self._lock = threading.Lock()
        self._free: list[Connection] = []
        self._closed = False

    async def run(self, call: Callable[[Connection], T]) -> T:
        """Run `call` and return its result. Raises Unavailable: `overloaded` when too many wait, `store_away`."""
        if self._waiting >= self._queue_items:
            raise Unavailable("overloaded", "Too many wait to read the store.", mend="Try again in a moment.")
        self._waiting += 1
        try:
            return await self._runtime.threads.run(lambda: self._read(call))
        except StorageFault as fault:
            if fault.damaged:
                self._runtime.log.error("the store's file is damaged", cause=str(fault))
                raise damaged() from fault
            self._runtime.log.error("the store cannot be read", exc=fault)
            raise Unavailable("store_away", "The store cannot be read.", mend="The server's log says why.") from fault
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Close what is free; what is in use closes when its call returns."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _read(self, call: Callable[[Connection], T]) -> T:
        connection = self._take()
        try:
            return call(connection)
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        with self._lock:
            if self._closed:
                raise Unavailable("store_away", "The store is closed.")
            if self._free:
                return self._free.pop()
        return self._connect()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed:
                self._free.append(connection)
                return
        connection.close()
