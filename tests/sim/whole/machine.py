"""The machine of a worker: what runs there goes on while the worker is stopped, and is killed when that is killed.

It stands where processes and the warden do. The ledger is what a process itself would write down, outside of the
system.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cmdexec.worker.capacity import Capacity
from cmdexec.worker.executors.contract import End, Order, Sink, Stream
from tests.sim.whole.loop import Node, VirtualLoop

_SPAWN_SEC = (0.0005, 0.01)
_DIES_SEC = (0.001, 0.3)
_LONG = 40_000


class Violation(Exception):
    """A promise was broken. `job`: the number of the job concerned, None for none or all."""

    def __init__(self, sentence: str, job: int | None = None) -> None:
        super().__init__(sentence if job is None else f"job {job}: {sentence}")
        self.job = job


@dataclass
class Run:
    """What the ledger knows of one attempt. `wrote`: each stream, as far as it was written."""

    job: int
    job_id: str
    attempt: int
    machine: str
    wrote: dict[Stream, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    ended: bool = False
    exit_code: int | None = None
    signal: int | None = None


@dataclass
class Ledger:
    """All that ever ran. `excused`: jobs of which somebody said that they may run twice; `asleep`: machines that are
    suspended, on which nothing can be ended in time; `crashed`: those that have lost what they had not flushed; `tell`:
    what is told, for a story."""

    loop: VirtualLoop
    tell: "Tell"
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    excused: set[int] = field(default_factory=set)
    asleep: set[str] = field(default_factory=set)
    crashed: set[str] = field(default_factory=set)

    def begin(self, job: int, job_id: str, attempt: int, machine: str) -> Run:
        """A process begins, beside no other one of its job."""
        self.tell(machine, f"attempt {attempt} begins", job)
        for other in self.runs.values():
            if other.job_id != job_id:
                continue
            if other.attempt == attempt:
                raise Violation(f"attempt {attempt} was spawned twice (C5)", job)
            if not other.ended and job not in self.excused:
                if other.machine not in self.asleep:
                    raise Violation(f"attempts {other.attempt} and {attempt} run at once (C5)", job)
                self.excused.add(job)
        run = self.runs[job_id, attempt] = Run(job, job_id, attempt, machine)
        return run

    def end(self, run: Run, exit_code: int | None, signal: int | None) -> None:
        run.ended, run.exit_code, run.signal = True, exit_code, signal
        how = f"exits with {exit_code}" if signal is None else f"is killed by signal {signal}"
        self.tell(run.machine, f"attempt {run.attempt} {how}", run.job)

    def of(self, job_id: str) -> list[Run]:
        return [run for run in self.runs.values() if run.job_id == job_id]


class Tell:
    """Notes what happens, in its order; costs nothing unless somebody wants it."""

    def __init__(self, loop: VirtualLoop, wanted: bool) -> None:
        self.lines: list[tuple[float, str, str, int | None]] = []
        self.wanted = wanted
        self._loop = loop

    def __call__(self, who: str, what: str, job: int | None = None) -> None:
        if self.wanted:
            self.lines.append((self._loop.time(), who, what, job))


class _Process:
    """One attempt of a job: writes by a plan that is drawn from the seed, and ends."""

    def __init__(self, place: "Processes", order: Order, sink: Sink) -> None:
        self.place, self.order, self.sink = place, order, sink
        job_id, _, attempt = order.key.partition(".")
        self.job, self.job_id, self.attempt = int(order.argv[1]), job_id, int(attempt)
        self.rng = random.Random(f"{place.machine.seed} job {self.job} {self.attempt}")
        self.flows = asyncio.Event()
        self.flows.set()
        self.deaf = self.rng.random() < 0.2
        self.run: Run | None = None
        self.over = False
        self.task = place.machine.node.spawn(self._live(), order.key)

    async def _live(self) -> None:
        loop, rng, place = self.place.machine.loop, self.rng, self.place
        await asyncio.sleep(rng.uniform(*_SPAWN_SEC))
        if place.machine.no_room_until > loop.time():
            return self._tell_end(End(start_error="no process could be made: no room", machine_fault=True))
        self.run = run = place.machine.ledger.begin(self.job, self.job_id, self.attempt, place.machine.node.name)
        place.worker.tell(self.sink.started, 100 + self.attempt)
        lasts = rng.choice((0.01, 0.3, 4.0, 12.0, 20.0)) * rng.random()
        for piece in self._pieces(rng.choice((0, 1, 1, 3, 10))):
            await asyncio.sleep(lasts * rng.random() / 4)
            await self.flows.wait()
            stream: Stream = "stdout" if rng.random() < 0.7 else "stderr"
            run.wrote[stream] += piece
            place.worker.tell(self.sink.output, stream, piece)
        await asyncio.sleep(lasts * rng.random())
        self._end(rng.choice((0, 0, 0, 0, 0, 1, 3)), None)
        return None

    def _pieces(self, count: int) -> list[bytes]:
        """So many, each of them telling whose it is."""
        pieces = []
        for number in range(count):
            line = f"{self.job}:{self.attempt}:{number}:{self.rng.getrandbits(32):08x}\n".encode()
            size = self.rng.choice((1, 1, 5, 300))
            pieces.append((line * size)[:_LONG])
        return pieces

    def _end(self, exit_code: int | None, signal: int | None, *, lease_over: bool = False) -> None:
        if self.run is not None:
            self.place.machine.ledger.end(self.run, exit_code, signal)
        self._tell_end(End(exit_code=exit_code, signal=signal, lease_over=lease_over))

    def _tell_end(self, end: End) -> None:
        if not self.over:
            self.over = True
            self.place.processes.pop(self.order.key, None)
            self.place.worker.tell(self.sink.ended, end)

    def die(self, signal: int, *, lease_over: bool = False) -> None:
        """It is gone at once."""
        if self.over:
            return
        self.task.cancel()
        if self.run is None:
            self._tell_end(End(start_error="it was stopped before it could be started", withdrawn=True))
        else:
            self._end(None, signal, lease_over=lease_over)


class Processes:
    """`cmdexec.worker.executors.process.ProcessExecutor` as far as a worker knows it: one process of a worker's own."""

    limits = "watched"

    def __init__(self, machine: "Machine", worker: Node) -> None:
        self.machine, self.worker = machine, worker
        self.capacity = Capacity(4.0, 4096)
        self.processes: dict[str, _Process] = {}
        self._until: float | None = None

    async def open(self) -> None:
        self.machine.processes = self

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        for order, sink in orders:
            self.processes[order.key] = _Process(self, order, sink)

    def stop(self, key: str, grace_sec: float) -> None:
        process = self.processes.get(key)
        if process is None:
            return
        deaf = process.deaf and grace_sec > 0
        after = grace_sec if deaf else min(grace_sec, process.rng.uniform(*_DIES_SEC))
        self.machine.later(after, process.die, 9 if deaf or not grace_sec else 15)

    def withdraw(self) -> None:
        """Nothing waits: all are on their way."""

    def renewed(self, until: float) -> None:
        """The warden keeps that, also while the worker is stopped."""
        self._until = until
        self.machine.later(max(0.0, until - self.machine.elapsed()), self._look, until)

    def _look(self, until: float) -> None:
        if self._until == until:
            for process in list(self.processes.values()):
                if process.order.leased:
                    process.die(9, lease_over=True)

    def pause(self, key: str) -> None:
        if (process := self.processes.get(key)) is not None:
            process.flows.clear()

    def resume(self, key: str) -> None:
        if (process := self.processes.get(key)) is not None:
            process.flows.set()

    async def close(self) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """The lifeline has ended: all are killed."""
        for process in list(self.processes.values()):
            process.die(9)


class NoContainers:
    """A machine without a container engine."""

    ready = False
    trouble: str | None = None

    def __init__(self) -> None:
        self.changed = lambda: None

    async def open(self) -> None:
        """There is nothing to look for."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    def stop(self, _key: str, _grace_sec: float) -> None: ...
    def withdraw(self) -> None: ...
    def renewed(self, _until: float) -> None: ...
    def pause(self, _key: str) -> None: ...
    def resume(self, _key: str) -> None: ...
    async def close(self) -> None: ...


class Machine:
    """Where one worker runs, process after process. `skew_sec`: by how much its clock differs; `boots`: how often it
    was started, so that what was written before the last time need not all be there."""

    def __init__(self, world: Any, name: str, skew_sec: float) -> None:
        self.loop: VirtualLoop = world.loop
        self.ledger: Ledger = world.ledger
        self.seed: int = world.seed
        self.node: Node = world.node(name)
        self.skew_sec = skew_sec
        self.processes: Processes | None = None
        self.no_room_until = 0.0
        self.boots = 1

    def elapsed(self) -> float:
        """By its own clock."""
        return self.loop.time() + self.skew_sec

    def later(self, seconds: float, callback: object, *args: object, **more: object) -> None:
        def call() -> None:
            callback(*args, **more)  # type: ignore[operator]

        self.loop.call_later(seconds, call, context=self.node.context)

    def lifeline_ends(self) -> None:
        """The worker's process is gone."""
        if self.processes is not None:
            self.processes.kill_all()
