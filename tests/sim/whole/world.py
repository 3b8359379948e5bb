"""One simulated world: its time, its server, its workers, its people, and what goes wrong."""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.sim.whole.loop import Node, VirtualLoop
from tests.sim.whole.machine import Ledger, Tell, Violation
from tests.sim.whole.network import Network
from tests.sim.whole.people import Person
from tests.sim.whole.plan import FAULTS_UNTIL, Fault, Plan
from tests.sim.whole.server import LOST_SEC, Server
from tests.sim.whole.told import told_of
from tests.sim.whole.worker import Worker

END = FAULTS_UNTIL + 4 * LOST_SEC
"""Seconds from the beginning by which all is over."""

_SUSPENDED = 0.5
"""Seconds after a machine wakes in which what should have been ended is."""


class World:
    """`seen` counts what happened, so that it can be asked whether it happens at all."""

    def __init__(self, plan: Plan, folder: Path, *, story: bool) -> None:
        self.plan, self.seed, self.folder = plan, plan.seed, folder
        self.loop = VirtualLoop(self.wrong)
        self.violation: Violation | None = None
        self.judged = False
        self.tell = Tell(self.loop, story)
        self.seen: Counter[str] = Counter()
        self.nodes: list[Node] = []
        self.ledger = Ledger(self.loop, self.tell)
        self.server = Server(self, folder / "server")
        self.network = Network(self, told_of(self.tell) if story else None)
        rng = random.Random(f"{self.seed} workers")
        self.workers = [Worker(self, index, folder, rng) for index in range(plan.workers)]
        self.people = [Person(self, job) for job in plan.jobs]
        self._broken = asyncio.Event()

    # Time and processes

    def node(self, name: str) -> Node:
        node = Node(self.loop, name)
        node.failed = self.wrong
        self.nodes.append(node)
        return node

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Let that happen, of the world's own accord."""
        self.loop.call_later(seconds, callback, *args, context=self.loop.world)

    def outside(self, callback: Callable[..., object], *args: Any) -> None:
        """Let the world do that, at once, for a process."""
        self.loop.call_soon(callback, *args, context=self.loop.world)

    def wrong(self, what: str, fault: BaseException | None = None) -> None:
        """Something happened that never may: the first counts."""
        if self.violation is None and not self.judged:
            made = fault if isinstance(fault, Violation) else Violation(f"{what}: {fault!r}")
            made.__cause__ = None if fault is made else fault
            self.violation = made
            self._broken.set()

    # A run

    async def run(self, quiet: Callable[[], Awaitable[bool]]) -> None:
        """Until all faults are over and all is quiet. Raises Violation."""
        self.server.start()
        for worker in self.workers:
            self.after(0.05, worker.start)
        for person in self.people:
            person.begin()
        for fault in self.plan.faults:
            self.after(fault.at, self._happens, fault)
        began = self.loop.time()
        await self._until(began + FAULTS_UNTIL if self.plan.faults else began)
        while not await self._all_quiet(quiet):
            if self.loop.time() - began > END:
                return
            await self._until(self.loop.time() + 1.0)

    async def _all_quiet(self, jobs_ended: Callable[[], Awaitable[bool]]) -> bool:
        people, workers = all(one.over for one in self.people), all(one.quiet for one in self.workers)
        return people and workers and await jobs_ended()

    async def goes_on(self, seconds: float) -> None:
        """Let that much time pass. Raises Violation."""
        await self._until(self.loop.time() + seconds)

    async def _until(self, when: float) -> None:
        if when > self.loop.time():
            try:
                async with asyncio.timeout_at(when):
                    await self._broken.wait()
            except TimeoutError:
                return
        if self.violation is not None:
            raise self.violation

    # What goes wrong

    def _happens(self, fault: Fault) -> None:
        self.seen[fault.kind] += 1
        self.tell("fault", str(fault))
        begin, end = self._of(fault)
        begin()
        self.after(fault.lasts, end)

    def _of(self, fault: Fault) -> tuple[Callable[[], object], Callable[[], object]]:
        """How it begins, and how it is over."""
        worker, server, network, name = self.workers[fault.worker], self.server, self.network, f"worker-{fault.worker}"
        disk, lasts = server.disk, fault.lasts
        match fault.kind:
            case "kill worker":
                return worker.kill, worker.start
            case "reboot":
                return worker.crash, worker.start
            case "end worker":
                return self._ends(worker), worker.start
            case "freeze worker":
                return self._stops(worker.process)
            case "suspend machine":
                return self._suspends(worker)
            case "cut":
                return lambda: network.cut_off(name, True), lambda: network.cut_off(name, False)
            case "no sockets":
                return lambda: network.block(name, True), lambda: network.block(name, False)
            case "break":
                return lambda: network.worker_is_gone(name), _nothing
            case "deaf":
                return lambda: network.silence(name, "down", lasts), _nothing
            case "mute":
                return lambda: network.silence(name, "up", lasts), _nothing
            case "slow network":
                return lambda: network.slow_down(name, (0.1, 1.5)), lambda: network.slow_down(name, None)
            case "kill server":
                return server.kill, server.start_unless_there
            case "freeze server":
                return self._stops(server.process)
            case "store away":
                return lambda: setattr(disk, "away", True), lambda: setattr(disk, "away", False)
            case "slow store":
                return lambda: setattr(disk, "slow_sec", 1.5), lambda: setattr(disk, "slow_sec", 0.0)
            case "disk full":
                return lambda: setattr(disk, "full", True), lambda: setattr(disk, "full", False)
            case "no room":
                until = self.loop.time() + lasts
                return lambda: setattr(worker.machine, "no_room_until", until), _nothing
        raise ValueError(fault.kind)

    def _stops(self, process: Any) -> tuple[Callable[[], object], Callable[[], object]]:
        """SIGSTOP, and SIGCONT to the same process, if it is still there."""
        return (process.node.stop, process.node.go_on) if process is not None else (_nothing, _nothing)

    def _suspends(self, worker: Worker) -> tuple[Callable[[], object], Callable[[], object]]:
        process, machine = worker.process, worker.machine
        stop, go_on = self._stops(process)

        def sleep() -> None:
            stop()
            machine.node.stop()
            self.ledger.asleep.add(machine.node.name)

        def wake() -> None:
            machine.node.go_on()
            go_on()
            self.after(_SUSPENDED, self.ledger.asleep.discard, machine.node.name)

        return sleep, wake

    def _ends(self, worker: Worker) -> Callable[[], object]:
        """Told once, twice or three times."""
        process = worker.process

        def end() -> None:
            if process is not None and worker.process is process:
                for _ in range(random.Random(f"{self.seed} {worker.name} {process.node.name} ends").choice((1, 2, 3))):
                    process.node.tell(process.wishes.end)

        return end

    # Afterwards

    async def bury(self) -> None:
        """When all is judged: end what is left as a loop does, so that nothing of it is left in this process."""
        self.judged = True
        for node in self.nodes:
            node.bury()
        for _ in range(5):
            left = [task for task in self.loop.tasks if not task.done() and task is not asyncio.current_task()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=30)
        for task in self.loop.tasks:
            if task.done() and not task.cancelled():
                task.exception()

    def close(self) -> None:
        """The loop, and the folder."""
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _nothing() -> None:
    """It is over by itself."""
