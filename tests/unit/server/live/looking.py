"""A socket's sending side for tests: it has as much room as it is given, and keeps what it was told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cmdexec.errors import Unavailable
from cmdexec.protocol.operations import ROLES
from cmdexec.protocol.requests import WorkerView
from cmdexec.protocol.watching import Watch
from cmdexec.server.api.jobs import JobsApi
from cmdexec.server.api.shows import ApiShows
from cmdexec.server.identity import Identity
from cmdexec.server.live import Live, Watcher
from cmdexec.server.workers.waiting import Waits
from tests.unit.server.core import Core


@dataclass
class Seen:
    """What a person was told. `flushed`: how much had been told each time when it was to be sent at once."""

    frames: list[Any] = field(default_factory=list)
    flushed: list[int] = field(default_factory=list)
    full: bool = False
    ended: tuple[int, str] | None = None
    emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Any) -> None:
        self.frames.append(frame)

    def flush(self) -> None:
        self.flushed.append(len(self.frames))

    def has_room(self, size: int) -> bool:
        return not self.full

    async def room(self, size: int) -> None:
        while self.full:
            await self.emptied.wait()
        if self.ended is not None:
            raise Unavailable("server_away", "The socket was closed.")

    def close(self, code: int, sentence: str) -> None:
        self.ended = self.ended or (code, sentence)

    def fill(self) -> None:
        """Its reader reads no more."""
        self.full = True
        self.emptied.clear()

    def empty(self) -> None:
        """Its reader has read all."""
        self.full = False
        self.emptied.set()

    def items(self, op: str) -> list[Any]:
        return [item for frame in self.frames if frame.op == op for item in frame.items]

    def statuses(self, op: str, job_id: str) -> list[str]:
        return [item.status for item in self.items(op) if item.job_id == job_id]


class Looking:
    """Live events over a core. `workers` is what there is of workers."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.workers: list[WorkerView] = []
        fleet = Waits(core.presence.desk, core.reads.classes, core.clock, lambda: False)
        api = JobsApi(core.jobs, core.reads, fleet=fleet, max_batch=10, max_spec_bytes=1 << 20)
        self.shows = ApiShows(core.reads.lists, fleet=fleet, views=api.views, workers=self._all)
        self.live = Live(
            reads=core.reads.jobs, shows=self.shows, notify=core.notify, clock=core.clock, settings=core.settings,
            recall=core.jobs.recall,
        )  # fmt: skip

    async def _all(self) -> Sequence[WorkerView]:
        return self.workers

    @asynccontextmanager
    async def watching(self, *items: Watch, role: str = "viewer") -> AsyncIterator[tuple[Watcher, Seen]]:
        """One person's socket, which watches these."""
        seen = Seen()
        watcher = self.live.watcher(Identity("user", role, ROLES[role]), seen)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(watcher.run())
            await asyncio.sleep(0)  # it runs before anything is read from its socket
            if items:
                await watcher.watch(items)
                watcher.go()
            yield watcher, seen
            running.cancel()


@asynccontextmanager
async def looking(core: Core) -> AsyncIterator[Looking]:
    """While it looks, hints are heard and all is looked at now and then."""
    made = Looking(core)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.live.run())
        yield made
        running.cancel()
