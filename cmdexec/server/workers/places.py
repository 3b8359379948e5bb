"""Who is just taking its place, one after the other for each worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """By worker id."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

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
