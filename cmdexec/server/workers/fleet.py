"""One fleet, several servers: telling the others which workers are connected here, and looking at what they did not
tell of.

With a Redis all of it is told at once. Without, the rows of workers say the rest within FLEET_CHECK_SEC: who was
revoked or changed by way of another server, whose process has connected there, and who is likely to be connected
elsewhere.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from math import isfinite
from typing import TypeVar

from cmdexec.errors import CmdexecError
from cmdexec.notify.contract import Notify, There, WorkersThere
from cmdexec.runtime import Runtime
from cmdexec.server.workers.elsewhere import KEEP_SEC
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.presence import Presence
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads
from cmdexec.store.contract.workers import WorkerRow

T = TypeVar("T")
_REPEAT_SEC = KEEP_SEC / 3
_PAGE = 1000
_TOLD_AT_ONCE = 100

_GUESSED_MAX = 500
"""Workers elsewhere whose free slots are counted at each look; the others are taken for busy."""


class Fleet:
    """A Service, for servers that share a store."""

    def __init__(
        self, *, presence: Presence, reads: Reads, notify: Notify, runtime: Runtime, settings: ServerSettings
    ) -> None:
        self._desk = presence.desk
        self._server = presence.server
        self._reads = reads
        self._notify = notify
        self._log = runtime.log
        self._clock = runtime.clock
        self._tell_sec = settings.live_workers_sec
        self._check_sec = settings.fleet_check_sec
        self._doubt_sec = max(settings.lease_sec, settings.fleet_check_sec)
        self._told: dict[str, tuple[There, float]] = {}
        self._doubted = runtime.clock.elapsed()

    async def run(self) -> None:
        """Tell and look until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._telling(), name="telling of workers")
            tasks.create_task(self._looking(), name="looking at workers")

    async def _telling(self) -> None:
        """What changed, soon; and all of it now and then."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tell_sec):
                    await self._desk.elsewhere.moves.wait()
            self._desk.elsewhere.moves.clear()
            self._desk.elsewhere.tidy()
            if self._notify.reaches_others:
                self._tell()
            else:
                self._told.clear()

    def _tell(self) -> None:
        now, patience = self._clock.elapsed(), self._desk.lease.lease_sec / 2
        here = {member.worker_id: _there(member, now, patience) for member in self._desk.members.values()}
        gone = tuple(worker_id for worker_id in self._told if worker_id not in here)
        news: list[There] = []
        for worker_id, there in here.items():
            before = self._told.get(worker_id)
            if before is None or before[0] != there or now - before[1] >= _REPEAT_SEC:
                news.append(there)
                self._told[worker_id] = (there, now)
        for worker_id in gone:
            del self._told[worker_id]
        if gone:
            self._notify.publish(WorkersThere(self._server, (), gone))
        for some in _parts(news):
            self._notify.publish(WorkersThere(self._server, tuple(some)))

    async def _looking(self) -> None:
        while True:
            await self._clock.sleep(self._check_sec)
            try:
                await self._look()
            except CmdexecError as away:
                self._log.debug("the workers of other servers could not be looked at", code=away.code)

    async def _look(self) -> None:
        """Raises Unavailable."""
        members = list(self._desk.members.values())
        for some in _parts(members, _PAGE):
            rows = await self._reads.workers.get([member.worker_id for member in some])
            for member, row in zip(some, rows, strict=True):
                if row is not None and self._desk.members.get(member.worker_id) is member:
                    await self._compare(member, row)
        if self._clock.elapsed() - self._doubted >= self._doubt_sec:
            self._doubted = self._clock.elapsed()
            for member in members:
                self._desk.doubt(member)
        guessed = [] if self._notify.reaches_others else [there async for there in self._guess()]
        self._desk.elsewhere.guessed(guessed, 3 * self._check_sec)

    async def _compare(self, member: Member, row: WorkerRow) -> None:
        """The member with the row of its worker."""
        if row.revoked:
            self._desk.shut_out(row)
        elif (row.session, row.instance_id) != (member.holder.session, member.instance_id):
            self._desk.moved(member)
        elif (row.given.draining, row.called, row.all_labels) != (member.drained, member.called, member.machine.labels):
            await self._desk.changed(member.worker_id)

    async def _guess(self) -> AsyncIterator[There]:
        """Those of other servers, by their leases and by what they hold. The stamp of one that left here within a lease
        says nothing."""
        elsewhere, lease_sec = self._desk.elsewhere, self._desk.lease.lease_sec
        silent = {row.worker_id for row in await self._reads.workers.overdue(lease_sec)}
        after, counted = "", 0
        while page := await self._reads.workers.all(after, _PAGE):
            after = page[-1].worker_id
            for row in page:
                out = row.revoked or row.lost or not row.executors or row.worker_id in silent
                if out or row.worker_id in self._desk.members or elsewhere.left_within(row.worker_id, lease_sec):
                    continue
                counted += 1
                free = 0
                if counted <= _GUESSED_MAX:
                    held = await self._reads.jobs.held_by(row.worker_id, "", row.slots)
                    free = max(0, row.slots - len(held))
                takes = not row.given.draining
                yield There(row.worker_id, row.slots, free, free, takes, able=takes, ready=True, draining=not takes)


def _there(member: Member, now: float, patience: float) -> There:
    free = member.free
    return There(
        member.worker_id, member.slots, member.free_slots, member.open_slots, member.takes,
        able=member.able(now, patience), ready=member.ready, draining=member.draining or member.drained,
        transport=member.transport, free=(_bounded(free.cpu), _bounded(free.ram_mb)), stats=member.stats,
        suspect=member.suspect,
    )  # fmt: skip


def _bounded(amount: float) -> float | None:
    return amount if isfinite(amount) else None


def _parts(items: Sequence[T], size: int = _TOLD_AT_ONCE) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
