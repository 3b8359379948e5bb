"""Two machines with one worker's identity: a data folder was copied, with the machine or by itself.

Only one process can hold a data folder (its lock), so where a process registers that works at another `place` (another
folder, or another start of its machine) than the one that has the worker's place, either the machine was started anew
or moved, or there are two. The lease tells: who has the place keeps it until its lease is over, or until it has gone
and runs nothing. If it is heard later than a lease after the other came, both live, and the one that came is refused as
`cloned`: what is heard earlier may have been under way when its sender died. A process whose place was taken after a
silence gets it back when it returns: it was there first.

What a process says of its own machine proves nothing: a copy finds another start there as well. Where it ran beside
this server, on one machine, and that has started again with the same folder, this server knows better: it saw that
start itself, and nothing of the one before is alive. So there nobody waits. That holds only where no other server has
the store as well: a copy of the whole machine would have one.

Workers that do not say their place (those of other makers, and of 0.1.0) take each other's as they always did, until
that has happened CLONE_REPLACEMENTS times within CLONE_WINDOW_SEC: then the one that is there keeps its place likewise.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from cmdexec.clock import Clock
from cmdexec.errors import Conflict
from cmdexec.model.job import Status
from cmdexec.protocol.messages import Register
from cmdexec.server.workers.holdings import Holdings
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.workers import WorkerRow, Workers
from cmdexec.system.boot import boot_id

K = TypeVar("K")
V = TypeVar("V")

_KEPT_MAX = 20_000
"""Workers and processes that are remembered: those that were in doubt last."""

MEND = (
    "If this one is the copy, stop it, delete its data folder (DATA_DIR) and let it join anew, with a new join token;"
    " workers with a shared secret need a WORKER_ID each."
)


_FORGOTTEN_LEASES = 3
"""A process that is in doubt and does not try again for so long begins anew."""


class Doubt(msgspec.Struct):
    """Of a place: when a process of it came, and when one tried last (seconds of the clock that counts suspended
    time)."""

    since: float
    tried_at: float


class Refusal(msgspec.Struct, frozen=True):
    """A copy of a worker that was refused last: where, and when (seconds of the clock that counts suspended time)."""

    where: str
    at: float


class Clones:
    """`connected`: whether the worker has a connection to a server now."""

    def __init__(
        self, workers: Workers, holdings: Holdings, clock: Clock, settings: ServerSettings,
        connected: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._workers = workers
        self._holdings = holdings
        self._clock = clock
        self._connected = connected
        self._lease_sec = settings.lease_sec
        self._silent_sec = settings.lease_sec / 2
        self._most = settings.clone_replacements
        self._window_sec = settings.clone_window_sec
        self._told_sec = settings.clone_told_sec
        self._boot = boot_id().hex() if settings.mongodb_uri is None else None
        self._doubts: OrderedDict[tuple[str, str], Doubt] = OrderedDict()
        self._replaced: OrderedDict[str, deque[float]] = OrderedDict()
        self._refused: OrderedDict[str, Refusal] = OrderedDict()

    def replaced(self, worker_id: str) -> None:
        """A process of it that was connected gave way to one that may be another's: neither says its place."""
        times = self._replaced.setdefault(worker_id, deque(maxlen=self._most))
        times.append(self._clock.elapsed())
        _keep(self._replaced, worker_id)

    def warning(self, worker_id: str) -> tuple[str, str] | None:
        """What people are to know of copies of it, and what to do about that."""
        refusal = self._refused.get(worker_id)
        if refusal is None or self._clock.elapsed() - refusal.at > self._told_sec:
            return None
        return (
            f"A copy of this worker{refusal.where} tries to connect and is refused.",
            "Stop the copy, delete its data folder (DATA_DIR) there and let it join anew, with a new join token.",
        )

    async def judge(self, before: WorkerRow | None, message: Register) -> str | None:
        """Whether the process that registers may have the place of the one that has it by `before`, its row. Returns
        the process that may take it back. Raises Conflict: `cloned`, or `conflict` while it is not known yet."""
        if before is None or not self._in_doubt(before, message):
            return before.elder if before is not None else None
        key = before.worker_id, message.place or message.instance_id or ""
        returns = message.place is not None and message.instance_id == before.elder
        if returns or not await self._keeps(before, message):
            self._doubts.pop(key, None)
            return None if returns else before.instance_id
        if not self._tried_for_a_lease(key):
            raise Conflict(
                "conflict", f"Another process of worker {before.called} was here within its lease, at another place: on"
                " another machine, from another data folder, or before this machine was started again. This one is"
                " taken when that stays silent.",
            )  # fmt: skip
        self._refused[before.worker_id] = Refusal(_where(message), self._clock.elapsed())
        _keep(self._refused, before.worker_id)
        raise Conflict(
            "cloned", f"Worker {before.called} is connected from another place already{_where_of(before)}: two machines"
            " or two data folders have its identity, so one of them is a copy. This one is refused.", mend=MEND,
        )  # fmt: skip

    def beside(self, message: Register) -> tuple[str, str] | None:
        """Its machine and the start of that, if this server runs on it, alone with its store."""
        if self._boot is None or message.boot != self._boot or message.machine is None:
            return None
        return message.machine, message.boot

    def _started_again(self, before: WorkerRow, message: Register) -> bool:
        """Whether the machine of that row, which is this server's own, has been since."""
        then, now = before.beside, self.beside(message)
        return then is not None and now is not None and then[0] == now[0] and then[1] != now[1]

    def _tried_for_a_lease(self, key: tuple[str, str]) -> bool:
        """Whether what keeps the place has been heard since this one came, and is not what was said before."""
        now = self._clock.elapsed()
        doubt = self._doubts.get(key)
        if doubt is None or now - doubt.tried_at > _FORGOTTEN_LEASES * self._lease_sec:
            doubt = self._doubts[key] = Doubt(now, now)
        doubt.tried_at = now
        _keep(self._doubts, key)
        return now - doubt.since > self._lease_sec

    def _in_doubt(self, before: WorkerRow, message: Register) -> bool:
        if message.instance_id is None or message.instance_id == before.instance_id:
            return False
        if message.place is not None and before.place is not None:
            return message.place != before.place and not self._started_again(before, message)
        times = self._replaced.get(before.worker_id)
        if times is None or len(times) < self._most:
            return False
        return self._clock.elapsed() - times[0] <= self._window_sec

    async def _keeps(self, before: WorkerRow, message: Register) -> bool:
        """Whether the process of that row may live, and would be harmed."""
        known = message.place is not None and before.place is not None
        silent_sec = self._lease_sec if known else self._silent_sec
        if before.lost or await self._workers.overdue(silent_sec, [before.worker_id]):
            return False
        if self._connected(before.worker_id):
            return True
        return any([job.status is Status.RUNNING async for job in self._holdings.of(before.worker_id)])


def moved(older: Register, newer: Register) -> bool:
    """Whether the two processes work at different places, as both say."""
    return older.place is not None and newer.place is not None and older.place != newer.place


def _where(message: Register) -> str:
    """` on build-07`"""
    hostname = message.labels.get("hostname")
    return f" on {hostname}" if hostname else ""


def _where_of(row: WorkerRow) -> str:
    hostname = row.labels.get("hostname")
    return f", on {hostname}" if hostname else ""


def _keep(kept: OrderedDict[K, V], key: K) -> None:
    """As the newest; the oldest are forgotten."""
    kept.move_to_end(key)
    while len(kept) > _KEPT_MAX:
        kept.popitem(last=False)
