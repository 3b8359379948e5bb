"""One connected worker, as this server knows it. The store has the truth about jobs; this is what saves asking it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from cmdexec.model.job import Job, Status
from cmdexec.model.matching import Machine, Needs, matches, needs_of
from cmdexec.model.pace import SHORT_SEC, Pace, prefetch
from cmdexec.model.parts import Capacity, Free, Part
from cmdexec.protocol.messages import Held, Register, Stats
from cmdexec.server.jobs import Holder
from cmdexec.server.workers.given import Claiming, Given, Named, least
from cmdexec.server.workers.outbox import Outbox
from cmdexec.server.workers.parts import capacity_of, machine_of
from cmdexec.server.workers.places import Process
from cmdexec.store.contract.workers import WorkerRow

_KEPT = frozenset({Status.ASSIGNED, Status.RUNNING, Status.UNKNOWN})
_REFILL_BELOW = 2
"""What is held ahead is filled up when half of it is gone: few large claims cost less than many small ones."""

_LOST_MAX = 1000
"""Attempts that are remembered as lost before they began."""

_NOBODY: Mapping[str, str] = {}


class Member:
    """A worker's process, from its `register` to the end of its connection.

    ready         it has said what it holds, so it may be given more
    claiming      a claim that has to be asked again
    round_trip    seconds from an assignment to its start; None: not known yet
    asks_after    seconds from an assignment until its start is asked
    unsent        attempts that have to be sent to it, in their order
    dry_since     which announcement of waiting jobs had been made when nothing was left for it
    stirs         the next word of it is news to dispatch, whatever it says
    paused_until  it left jobs unstarted until they were taken back, or had no room for a process, so until then, or
                  until it asks for a start, it gets no more
    draining      it says that it takes no more jobs
    drained       somebody wants it to take none
    machine       what it has of what jobs may need: its labels, and what it lets its jobs use together
    called        what people call it
    process       what is known of it over all its connections

    A job whose part of the machine is not free there yet waits for that, not for a slot: it takes none, as long as no
    more wait so than the worker has slots. Dispatch gives it one such at a time, so that large jobs get their turn too.
    """

    transport: Literal["socket", "polling"] = "socket"

    def __init__(self, holder: Holder, instance_id: str, register: Register, outbox: Outbox, now: float) -> None:
        self.holder = holder
        self.instance_id = instance_id
        self.register = register
        self.slots = register.slots
        self.outbox = outbox
        self.pace = Pace()
        self.heard_at = now
        self.ready = False
        self.draining = False
        self.drained = False
        self.gone = False
        self.stats: Stats | None = None
        self.round_trip: float | None = None
        self.asks_after: float | None = None
        self.claiming: Claiming | None = None
        self.unsent: dict[tuple[str, int], None] = {}
        self.dry_since = 0
        self.stirs = True
        self.paused_until = now
        self.machine = Machine(register.labels, capacity_of(register), register.executors)
        self.called = register.name or holder.worker_id
        self.process = Process()
        self._given: dict[str, Given] = {}
        self._lost: dict[str, int] = {}
        self._running = 0
        self._moved_at = now
        self._parts = 0
        self._crowded: tuple[Free, dict[str, str], Free] | None = None
        self._batch = 0
        self._reached = 0

    @property
    def worker_id(self) -> str:
        return self.holder.worker_id

    @property
    def capacity(self) -> Capacity:
        """What it lets its jobs use together."""
        return self.machine.capacity

    @property
    def running(self) -> int:
        """How many of its attempts have been granted their start."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many of its attempts have not."""
        return len(self._given) - self._running

    @property
    def takes(self) -> bool:
        """Whether it runs jobs, and may be given more."""
        return not (self.draining or self.drained) and bool(self.register.executors)

    @property
    def suspect(self) -> bool:
        """Whether it begins nothing that it is given."""
        return self.process.suspicion.on

    @property
    def crowded(self) -> Mapping[str, str]:
        """The jobs that wait with it until their part is free, or behind such a one for their turn: why, by job id."""
        return self._look()[1] if self._parts else _NOBODY

    @property
    def _busy(self) -> int:
        """How many of its attempts have a slot, or wait for one."""
        return len(self._given) - min(len(self.crowded), self.slots)

    @property
    def free_slots(self) -> int:
        """Slots for which it has nothing."""
        busy = self._busy if self._parts else len(self._given)
        return self.slots - busy if busy < self.slots else 0

    @property
    def open_slots(self) -> int:
        """Slots for which it may be given something now."""
        return self.free_slots

    @property
    def surplus(self) -> int:
        """How many attempts wait with it although it has no slot for them."""
        return min(self.waiting - len(self.crowded), max(0, self._busy - self.slots))

    def shall(self, row: WorkerRow) -> bool:
        """It is called, labelled and drained as its row says; whether it shall begin or end to drain by that."""
        self.called = row.called
        self.machine = machine_of(row)
        self.dry_since = 0
        before, self.drained = self.drained, row.given.draining
        return before != self.drained

    def may_begin(self, job: Job) -> bool:
        """Whether it can and shall run the job, as far as is known here."""
        return self.takes and matches(needs_of(job.spec), self.machine)

    def heard(self, now: float, silent_sec: float) -> None:
        """It said something. After a silence, or a pause, it may be given jobs again."""
        if self.heard_at < now - silent_sec or self.paused_until > self.heard_at:
            self.stirs = True
        self.heard_at = now

    def able(self, now: float, silent_sec: float) -> bool:
        """Whether it may be given jobs: it has said what it holds, drains not, was heard lately, and begins jobs."""
        here = self.ready and self.takes and self.heard_at >= now - silent_sec and self.paused_until <= now
        return here and self.process.suspicion.allows(now, self.waiting)

    def fits(self, needs: Needs) -> bool:
        """Whether a job that needs this could start beside all that it has."""
        if not matches(needs, self.machine):
            return False
        if needs.part is None:
            return True
        free, crowded, _ = self._look()
        return not crowded and needs.part.within(free)

    def has_free(self, part: Part) -> bool:
        """Whether such a part is free beside those that run and those that are about to, if it passes those that wait
        for more."""
        return part.within(self.free)

    @property
    def free(self) -> Free:
        """What is free for those that pass others which wait for more."""
        return self._look()[2]

    @property
    def may_wait(self) -> bool:
        """Whether it may have a job whose part is not free yet: one at a time."""
        return not self.crowded

    def stuck(self, now: float) -> bool:
        """Whether its pace is that of the past: all slots have been taken for longer than short jobs do."""
        return self._running >= self.slots and now - self._moved_at > SHORT_SEC

    def behind(self, now: float) -> list[str]:
        """What it was given ahead, and will not begin as soon as was thought."""
        if not (self.stuck(now) and self.surplus):
            return []
        crowded = self.crowded
        return [job_id for job_id, given in self._given.items() if given.started_at is None and job_id not in crowded]

    def room(self, now: float, most: int) -> int:
        """How many more it may be given: for its free slots, and ahead of them as its pace allows; none while some have
        to be sent yet."""
        if self.unsent:
            return 0
        ahead = 0
        if most and not self.stuck(now):
            ahead = prefetch(self.slots, self.pace, now, self.round_trip or 0.0, most)
        if ahead and self.surplus * _REFILL_BELOW > ahead:
            return 0
        return max(0, min(1, self.open_slots) if self.suspect else self.slots + ahead - self._busy)

    @property
    def eager(self) -> bool:
        """Whether it is told of jobs before they are certainly its own: it has nothing to do, and asks for each before
        it begins."""
        return not self._given

    def next_claim(self) -> str | None:
        """What its next claim has to be called; None: whatever was not used yet."""
        return None

    def looked(self, announced: int) -> None:
        """Nothing was left for it of what had been announced."""
        self.dry_since = announced

    def given(self) -> Iterator[tuple[str, Given]]:
        """All that it has, by job id."""
        return iter(self._given.items())

    def has(self, job_id: str, attempt: int) -> bool:
        """Whether it is known to have that attempt."""
        return self.find(job_id, attempt) is not None

    def find(self, job_id: str, attempt: int) -> Given | None:
        """That attempt, if it has it."""
        given = self._given.get(job_id)
        return given if given is not None and given.attempt == attempt else None

    def untold(self) -> list[tuple[str, int]]:
        """What it was given and has not been told of. It will not be, from now on."""
        names = list(self.unsent)
        self.unsent.clear()
        return names

    def attempt_of(self, job_id: str) -> int:
        """Which attempt of the job it has; 0 for none."""
        given = self._given.get(job_id)
        return given.attempt if given is not None else 0

    def give(self, jobs: Iterable[Job], now: float) -> None:
        """These are assigned to it, or it has had them since an earlier connection."""
        for job in jobs:
            self.take(job.job_id, job.attempt)
            started = None if job.status is Status.ASSIGNED else now
            given = self._given[job.job_id] = Given(job, now, started)
            self._lost.pop(job.job_id, None)
            self._running += started is not None
            self._parts += given.part is not None
        self._crowded = None

    def sent(self, jobs: Iterable[Named], now: float) -> None:
        """These were sent to it in one frame."""
        self._batch += 1
        for job in jobs:
            given = self._given.get(job.job_id)
            if given is not None and given.attempt == job.attempt:
                given.batch, given.given_at = self._batch, now

    def take(self, job_id: str, attempt: int) -> Given | None:
        """It has that attempt no more."""
        given = self.find(job_id, attempt)
        if given is None:
            return None
        del self._given[job_id]
        if given.started_at is None:
            self._lose(job_id, attempt)
        self._running -= given.started_at is not None
        if given.part is not None:
            self._parts -= 1
            self.dry_since = 0  # what did not fit may fit now
        self._crowded = None
        return given

    def does(self, job_id: str, attempt: int, phase: str | None) -> None:
        """What it says in a list that it does before it can start the attempt."""
        given = self._given.get(job_id)
        if given is not None and given.attempt == attempt:
            given.phase = phase

    def phase(self, job_id: str, attempt: int) -> str | None:
        """The same, as it said last."""
        given = self._given.get(job_id)
        return given.phase if given is not None and given.attempt == attempt else None

    def stands(self, job_id: str, attempt: int, job: Job | None, now: float) -> None:
        """After the worker spoke of an attempt, its job stands so."""
        kept = (
            job is not None
            and job.attempt == attempt
            and job.session == self.holder.session
            and job.worker_id == self.worker_id
            and job.status in _KEPT
        )
        if not kept:
            given = self.take(job_id, attempt)
            if given is not None and given.started_at is not None and job is not None and job.ended:
                self.pace.ended(now, now - given.started_at)
                self._moved_at = now
            return
        given = self._given.get(job_id)
        if given is None and job is not None:
            if self._lost.get(job_id) != attempt:
                self.give((job,), now)
        elif given is not None and job is not None and given.started_at is None and job.status is not Status.ASSIGNED:
            given.started_at = self._moved_at = now
            self._running += 1
            self._crowded = None
            self.round_trip = least(self.round_trip, now - given.given_at)

    def _lose(self, job_id: str, attempt: int) -> None:
        """It never gets this attempt again. What was asked of it before may be answered after that: as it was then."""
        self._lost[job_id] = attempt
        if len(self._lost) > _LOST_MAX:
            del self._lost[next(iter(self._lost))]

    def spoke_of(self, named: Iterable[Named]) -> None:
        """The worker names these, so it had received their batches, and all before, when it said so."""
        for item in named:
            given = self._given.get(item.job_id)
            if given is not None and given.attempt == item.attempt:
                self._reached = max(self._reached, given.batch)

    def wants_start(self, named: Iterable[Named]) -> None:
        """It asks for the start of these."""
        self.paused_until = self.heard_at
        self.process.suspicion.asks(self.heard_at)
        self.spoke_of(named)
        for item in islice(named, 1):
            if (given := self.find(item.job_id, item.attempt)) is not None:
                self.asks_after = least(self.asks_after, self.heard_at - given.given_at)

    def absent(self, held: Sequence[Held], now: float, patience: float) -> tuple[list[str], list[tuple[str, int]]]:
        """What a complete list lacks: jobs whose assignment has not been sent on this connection, and attempts that are
        missing although the list was made after they were sent.

        That is known of those whose start it has asked, and of those whose batch, or a later one, it has spoken of;
        frames do not overtake each other. Failing that, it is believed after `patience` seconds.
        """
        self.spoke_of(held)
        named = {(item.job_id, item.attempt) for item in held}
        again: list[str] = []
        missing: list[tuple[str, int]] = []
        for job_id, given in self._given.items():
            if (job_id, given.attempt) in named:
                continue
            if given.started_at is None and given.batch == 0:
                again.append(job_id)
            elif given.started_at is not None or given.batch <= self._reached or now - given.given_at >= patience:
                missing.append((job_id, given.attempt))
        return again, missing

    def _look(self) -> tuple[Free, dict[str, str], Free]:
        """What is free beside those that run and those that are about to; and who waits for more than that. The worker
        lets others pass by turns, so those behind may have to wait as well: the last is what is free beside all of them
        but those that wait for more."""
        if self._crowded is not None:
            return self._crowded
        free, crowded = Free(self.capacity), dict[str, str]()
        for given in self._given.values():
            if given.part is not None and given.started_at is not None:
                free.take(given.part)
        passing = Free(Part(free.cpu, free.ram_mb))
        for job_id, given in self._given.items():
            if given.part is None or given.started_at is not None:
                continue
            if given.part.within(passing):
                passing.take(given.part)
            if not given.part.within(free):
                crowded[job_id] = free.lack(given.part)
            elif crowded:
                crowded[job_id] = "its turn comes after that of one that waits for more"
            else:
                free.take(given.part)
        self._crowded = free, crowded, passing
        return self._crowded
