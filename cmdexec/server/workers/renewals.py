"""Leases are renewed in groups: all that are asked while the store is busy with the last ones go together."""

import asyncio

from cmdexec.errors import CmdexecError
from cmdexec.store.contract.workers import Workers


class Renewals:
    """A Service; `renew` may be called as long as it runs."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._wake = asyncio.Event()

    async def renew(self, worker_id: str) -> None:
        """Stamp the worker as alive; returns when the store has it. Raises Unavailable."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(worker_id, []).append(done)
        self._wake.set()
        await done

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            fault: CmdexecError | None = None
            try:
                await self._workers.renew(tuple(waiting))
            except CmdexecError as away:
                fault = away
            for done in (done for each in waiting.values() for done in each):
                if done.done():
                    continue
                if fault is None:
                    done.set_result(None)
                else:
                    done.set_exception(fault)
