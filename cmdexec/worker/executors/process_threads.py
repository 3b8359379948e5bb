"""Jobs as processes of a machine that has no warden of the Linux kind: each is attended by a thread, and each of its
pipes by another. What a tree of processes is, and how it is ended, says a `Tree` of the system's own.

One piece of output a pipe is under way to the loop at a time, so a slow worker slows the job, as a full pipe does.
"""

import asyncio
import contextlib
import math
import os
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVarTuple

from cmdexec.clock import Clock, SystemClock
from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.capacity import capacity_of, machine_capacity
from cmdexec.worker.executors.contract import End, Order, Sink, Stream

Ts = TypeVarTuple("Ts")

_READ_BYTES = 64 * 1024
_STEP_SEC = 0.02
_CLOSED = "the worker runs no jobs any more"


class CannotStartError(Exception):
    """No process was made; the text says why. `machine`: nothing is wrong with the order itself."""

    def __init__(self, sentence: str, machine: bool = False) -> None:
        super().__init__(sentence)
        self.machine = machine


def read_ends(process: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """Descriptors of its standard output and error that are the caller's, to be closed by whoever reads them."""
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe is not None]
    out, err = (os.dup(pipe.fileno()) for pipe in pipes)
    for pipe in pipes:
        pipe.close()
    return out, err


class Tree(Protocol):
    """All processes of one order; used by one thread. `outputs`: the read ends for stdout and stderr."""

    pid: int
    outputs: tuple[int, int]

    def wait(self, seconds: float) -> int | None:
        """The main process's exit code, negative for a signal, if it ends within that time."""
        ...

    def terminate(self) -> None:
        """Ask all of it to end."""
        ...

    def kill(self) -> None:
        """End all of it."""
        ...

    def left(self) -> list[str]:
        """Those of it that live, each as "pid 123 (name)"."""
        ...

    def over(self) -> str | None:
        """Why it was, or has to be, killed for memory, as a sentence; asked now and then."""
        ...

    def used(self) -> tuple[float, int]:
        """CPU seconds and the most memory in bytes, as far as that is known."""
        ...

    def close(self) -> None:
        """Let go of it: nothing of it lives, or nothing can be done about that."""
        ...


class Attended:
    """One order and its thread. What it says, it says on the loop."""

    def __init__(self, order: Order, sink: Sink, executor: "ThreadedExecutor") -> None:
        self.order = order
        self.grace: float | None = None
        self.flowing = threading.Event()
        self.flowing.set()
        self._sink = sink
        self._executor = executor
        self._settings = executor.settings
        self._clock = executor.clock
        self._loop = asyncio.get_running_loop()
        self._timed_out = self._lease_over = self._cut = False
        self._oom: str | None = None

    def begin(self) -> None:
        """Start the thread; with the process it ends the thread as well, so nobody waits for it there."""
        threading.Thread(target=self._attend, name=self.order.key, daemon=True).start()

    def _attend(self) -> None:
        try:
            tree = self._executor.plant(self.order)
        except CannotStartError as why:
            self._say(self._executor.ended, self, End(start_error=str(why), machine_fault=why.machine))
            return
        self._say(self._sink.started, tree.pid)
        streams: tuple[Stream, Stream] = ("stdout", "stderr")
        readers = [
            threading.Thread(target=self._read, args=(stream, end), name=f"{self.order.key} {stream}", daemon=True)
            for stream, end in zip(streams, tree.outputs, strict=True)
        ]
        for reader in readers:
            reader.start()
        code = self._until_ended(tree)
        survivors = self._end_rest(tree, readers)
        self._cut = any(reader.is_alive() for reader in readers)
        cpu, peak = tree.used()
        tree.close()
        self._say(self._executor.ended, self, End(
            exit_code=code if code >= 0 else None, signal=-code if code < 0 else None, timed_out=self._timed_out,
            lease_over=self._lease_over, oom=self._oom, cpu_sec=cpu, peak_rss_bytes=peak, left=len(survivors),
            survivors=tuple(survivors), output_cut=self._cut,
        ))  # fmt: skip

    def _until_ended(self, tree: Tree) -> int:
        began = self._clock.elapsed()
        kill_at, look_at, asked = math.inf, began, False
        while (code := tree.wait(_STEP_SEC)) is None:
            now = self._clock.elapsed()
            grace = self.grace
            if self.order.timeout_sec is not None and now >= began + self.order.timeout_sec and not self._timed_out:
                self._timed_out, grace = True, self.order.kill_grace_sec
            if self.order.leased and now >= self._executor.leased_until:
                self._lease_over, grace = True, 0.0
            if now >= look_at:
                look_at = now + self._settings.limits_look_ms / 1000
                self._oom = self._oom or tree.over()
                grace = 0.0 if self._oom else grace
            if grace is not None:
                kill_at = min(kill_at, now + grace)
                if not asked and grace > 0:
                    tree.terminate()
                asked, self.grace = True, None
            if now >= kill_at:
                tree.kill()
        return code

    def _end_rest(self, tree: Tree, readers: Sequence[threading.Thread]) -> list[str]:
        """Those that outlive the main process may hold its output for a while; then they are killed."""
        until = self._clock.elapsed() + self._settings.drain_sec
        while self._clock.elapsed() < until and self.grace is None and not self._lease_over and self._oom is None:
            if not tree.left() and not any(reader.is_alive() for reader in readers):
                return []
            readers[0].join(_STEP_SEC)
        until = self._clock.elapsed() + self._settings.kill_deadline_sec
        while (survivors := tree.left()) and self._clock.elapsed() < until:
            tree.kill()
            tree.wait(_STEP_SEC)
        for reader in readers:  # what is still in its pipe
            reader.join(self._settings.drain_sec)
        return survivors

    def _read(self, stream: Stream, end: int) -> None:
        with contextlib.suppress(OSError):
            while (data := os.read(end, _READ_BYTES)) and not self._cut:
                self.flowing.wait()
                taken = threading.Event()
                self._say(self._pass_on, stream, data, taken)
                taken.wait()
        os.close(end)

    def _pass_on(self, stream: Stream, data: bytes, taken: threading.Event) -> None:
        if not self._cut:
            self._sink.output(stream, data)
        taken.set()

    def tell_ended(self, end: End) -> None:
        """The last that its sink hears."""
        self._sink.ended(end)

    def _say(self, what: Callable[[*Ts], object], *of: *Ts) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody hears anything any more
            self._loop.call_soon_threadsafe(what, *of)


class ThreadedExecutor(ABC):
    """Implements `contract.Executor`; `plant` makes the tree of an order, or raises CannotStartError."""

    mode = "threads"
    warden_pid = 0

    def __init__(self, *, settings: WorkerSettings, log: Log, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.capacity = capacity_of(settings, machine_capacity())
        self.leased_until = math.inf
        self._log = log
        self._running: dict[str, Attended] = {}
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    @abstractmethod
    def plant(self, order: Order) -> Tree:
        """Make its process. Raises CannotStartError."""

    async def open(self) -> None:
        """Get ready. Raises CmdexecError."""
        if self.settings.limits == "cgroup":
            raise CmdexecError(
                "no_executor", "Jobs cannot be held to their part of this machine by cgroups: it is not Linux.",
                field="LIMITS", mend="Leave LIMITS at auto.",
            )  # fmt: skip
        self._log.info("ready to run jobs", mode=self.mode)

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        """Make a process for each order."""
        for order, sink in orders:
            if self._closed:
                end = End(start_error=_CLOSED, machine_fault=True)
                asyncio.get_running_loop().call_soon(sink.ended, end)
                continue
            self._running[order.key] = job = Attended(order, sink, self)
            job.begin()

    def stop(self, key: str, grace_sec: float) -> None:
        """End a tree."""
        if (job := self._running.get(key)) is not None:
            job.grace = grace_sec

    def withdraw(self) -> None:
        """No order waits here: each is begun at once."""
        return

    def renewed(self, until: float) -> None:
        """Leased trees may live until then."""
        self.leased_until = until

    def keep_container(self, name: str, url: str) -> bool:
        """Nobody here would remove it when the worker dies."""
        return False

    def let_container_go(self, name: str) -> None:
        """It was not kept."""
        return

    def pause(self, key: str) -> None:
        """Read no more of its output."""
        if (job := self._running.get(key)) is not None:
            job.flowing.clear()

    def resume(self, key: str) -> None:
        """Read on."""
        if (job := self._running.get(key)) is not None:
            job.flowing.set()

    async def close(self) -> None:
        """Kill every tree, and tell every sink. Twice is fine."""
        self._closed = True
        for job in self._running.values():
            job.flowing.set()
            job.grace = 0.0
        if self._running:
            self._idle = self._idle or asyncio.get_running_loop().create_future()
            within = self.settings.kill_deadline_sec + 3 * self.settings.drain_sec + self.settings.warden_end_sec
            done, _ = await asyncio.wait([self._idle], timeout=within)
            if not done:
                self._log.error("jobs did not end in time", jobs=len(self._running))
        for key in list(self._running):
            self.ended(self._running[key], End(executor_lost=True))

    def ended(self, job: Attended, end: End) -> None:
        """Said by the job's thread, on the loop."""
        if self._running.pop(job.order.key, None) is None:
            return
        job.tell_ended(end)
        if not self._running and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
