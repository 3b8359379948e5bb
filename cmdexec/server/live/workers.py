"""The workers as they stand, for all sockets that watch them: looked at once for all, and told where they differ."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from cmdexec.clock import Clock
from cmdexec.errors import Unavailable
from cmdexec.protocol.codec import ask
from cmdexec.protocol.requests import WorkerView
from cmdexec.server.live.outlet import Outlet
from cmdexec.server.live.shows import Shows

_FRAME_WORKERS = 100
_WORKER_BYTES = 1500

_REST = 20
"""So many times as long as a look took is the pause after it: a large fleet is looked at less often."""


class WorkerFeed:
    """One socket that watches workers. `told`: up to which change it was told."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.told = 0


class WorkerWatch:
    """A Service. What changes of a worker with each look, when it was heard of, is no change."""

    def __init__(self, shows: Shows, clock: Clock, *, check_sec: float) -> None:
        self._shows = shows
        self._clock = clock
        self._check_sec = check_sec
        self._feeds: set[WorkerFeed] = set()
        self._known: dict[str, tuple[int, WorkerView]] = {}
        self._change = 0
        self._wanted = asyncio.Event()

    def add(self, feed: WorkerFeed) -> None:
        """Tell it all workers soon, and from then on those that change."""
        self._feeds.add(feed)
        self._wanted.set()

    def drop(self, feed: WorkerFeed) -> None:
        """Tell it nothing more."""
        self._feeds.discard(feed)
        feed.told = 0

    async def run(self) -> None:
        """Look while somebody watches, until cancelled."""
        while True:
            if not self._feeds:
                self._known.clear()
                self._wanted.clear()
                await self._wanted.wait()
            self._wanted.clear()
            began = self._clock.elapsed()
            with contextlib.suppress(Unavailable):  # then the next look will tell
                self._look(await self._shows.workers())
            for feed in tuple(self._feeds):
                self._tell(feed)
            took = self._clock.elapsed() - began
            try:
                async with asyncio.timeout(max(self._check_sec, took * _REST)):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    def _look(self, views: Sequence[WorkerView]) -> None:
        for view in views:
            known = self._known.get(view.worker_id)
            plain = msgspec.structs.replace(view, last_seen_at=None)
            if known is not None and msgspec.structs.replace(known[1], last_seen_at=None) == plain:
                continue
            self._change += 1
            self._known[view.worker_id] = (self._change, view)

    def _tell(self, feed: WorkerFeed) -> None:
        """What it was not told yet; a socket that is full is told with the next look, as things stand then."""
        news = sorted((one for one in self._known.values() if one[0] > feed.told), key=lambda one: one[0])
        for first in range(0, len(news), _FRAME_WORKERS):
            some = news[first : first + _FRAME_WORKERS]
            if not feed.outlet.has_room(len(some) * _WORKER_BYTES):
                return
            feed.outlet.put(ask("workers", [view for _, view in some]))
            feed.told = some[-1][0]
