"""Workers that are connected to other servers of the same store: as those say, or as the store lets guess where they
cannot be heard."""

import asyncio
from collections.abc import Iterable, Mapping
from math import inf

from cmdexec.clock import Clock
from cmdexec.model.matching import Machine
from cmdexec.model.parts import Capacity, Free, Part
from cmdexec.notify.contract import There, WorkersThere
from cmdexec.server.jobs import Holder
from cmdexec.server.workers.member import Member

KEEP_SEC = 6.0
"""How long what a server says of a worker is good; it says it again three times meanwhile."""


_LEFT_MAX = 20_000
"""Workers that are remembered as having left."""


class Abroad:
    """Such a worker, with what has to be known of one that might run a job (as `Member` has it)."""

    def __init__(self, there: There, machine: Machine, known_as: str, called: str, heard_at: float) -> None:
        self.holder = Holder(there.worker_id, "", known_as)
        self.machine = machine
        self.called = called
        self.heard_at = heard_at
        self.takes = there.takes
        self.ready = there.ready
        self.suspect = there.suspect
        self.free_slots = there.free_slots
        self.open_slots = there.open_slots
        self._able = there.able
        cpu, ram_mb = there.free
        self.free = Free(Part(inf if cpu is None else cpu, inf if ram_mb is None else ram_mb))

    @property
    def capacity(self) -> Capacity:
        """What it lets its jobs use together."""
        return self.machine.capacity

    def has_free(self, part: Part) -> bool:
        """Whether such a part is free there."""
        return part.within(self.free)

    def able(self, now: float, silent_sec: float) -> bool:
        """Whether it may be given jobs."""
        return self._able and self.heard_at >= now - silent_sec


class Elsewhere:
    """What is known of them, by id. `server`: this one, which hears itself too. `moves`: set when a worker of this one
    came, went or changed."""

    def __init__(self, members: Mapping[str, Member], clock: Clock, server: str) -> None:
        self._members = members
        self._clock = clock
        self._server = server
        self._told: dict[str, tuple[There, str, float]] = {}
        self._guessed: dict[str, tuple[There, float]] = {}
        self._left: dict[str, float] = {}
        self.moves = asyncio.Event()

    def heard(self, hint: WorkersThere) -> None:
        """A server says so of its workers."""
        if hint.server == self._server:
            return
        now = self._clock.elapsed()
        for worker_id in hint.gone:
            known = self._told.get(worker_id)
            if known is not None and known[1] == hint.server:
                del self._told[worker_id]
        for there in hint.workers:
            self._told[there.worker_id] = (there, hint.server, now + KEEP_SEC)

    def guessed(self, workers: Iterable[There], keep_sec: float) -> None:
        """The store lets guess that; nothing that was guessed before counts any more."""
        until = self._clock.elapsed() + keep_sec
        self._guessed = {there.worker_id: (there, until) for there in workers}

    def also(self, worker_id: str) -> bool:
        """Whether another server has the worker too: one that polls may come to several."""
        told = self._told.get(worker_id)
        return told is not None and told[2] > self._clock.elapsed()

    def left(self, worker_id: str) -> None:
        """It is no longer connected here."""
        if len(self._left) >= _LEFT_MAX:
            self._left.clear()
        self._left[worker_id] = self._clock.elapsed()
        self.moves.set()

    def left_within(self, worker_id: str, seconds: float) -> bool:
        """Whether it left this server so lately."""
        at = self._left.get(worker_id)
        return at is not None and at > self._clock.elapsed() - seconds

    def tidy(self) -> None:
        """Forget what is no longer good."""
        now = self._clock.elapsed()
        self._told = {worker_id: one for worker_id, one in self._told.items() if one[2] > now}
        self._guessed = {worker_id: one for worker_id, one in self._guessed.items() if one[1] > now}

    def of(self, worker_id: str) -> There | None:
        """The worker, if it is connected to another server and not to this one."""
        if worker_id in self._members:
            return None
        now = self._clock.elapsed()
        told = self._told.get(worker_id)
        if told is not None and told[2] > now:
            return told[0]
        guessed = self._guessed.get(worker_id)
        return guessed[0] if guessed is not None and guessed[1] > now else None
