"""The orders under way: their pipes, what the warden says about them, and what their sinks are told.

An order has ended when the warden has said so *and* both its pipes are at their end, whichever comes last.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from cmdexec.worker.executors.contract import End, Order, Sink
from cmdexec.worker.executors.process_pipes import Pipe, Pipes, has_writer
from cmdexec.worker.warden import wire
from cmdexec.worker.warden.spawn import NO_FILES, is_of_the_machine

_MIB = 1 << 20
_QUICK_SEC = 0.01
"""A job that ends sooner is read once, at its end, and costs no watching; of any other the first bytes come so late."""

Handover = tuple[wire.Message, int, int]
"""A SPAWN request and the write ends for stdout and stderr."""


class Job:
    """One order. `number` names it to the warden; `end` is what the warden said."""

    __slots__ = ("end", "lingers", "number", "order", "paused", "pid", "pipes", "sink", "timer")

    def __init__(self, number: int, order: Order, sink: Sink) -> None:
        self.number = number
        self.order = order
        self.sink = sink
        self.pid = 0
        self.pipes: tuple[Pipe, ...] = ()
        self.paused = False
        self.lingers = False
        self.end: End | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def open_pipes(self) -> list[Pipe]:
        """Those that may bring more."""
        return [pipe for pipe in self.pipes if pipe.open]


class Jobs:
    """All orders of one executor. `drained` is told the number of a job whose pipes nobody holds any more, while
    processes of it live on; a stranger may hold the pipes of a job that ended for `drain_sec`. Pipes are made of files
    below `files_max`. `lease`: the number of the newest renewal, and when leased ones have to be gone by that."""

    def __init__(self, drain_sec: float, files_max: int, drained: Callable[[int], None]) -> None:
        self._drain_sec = drain_sec
        self._files_max = files_max
        self._drained = drained
        self._loop = asyncio.get_running_loop()
        self.lease = (0, 0.0)
        self._pipes = Pipes()
        self._by_number: dict[int, Job] = {}
        self._by_key: dict[str, Job] = {}
        self._last_number = 0
        self._young: list[Job] = []
        self._watch_soon: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None

    def add(self, order: Order, sink: Sink) -> Job:
        """Take an order in."""
        self._last_number += 1
        job = Job(self._last_number, order, sink)
        self._by_number[job.number] = self._by_key[order.key] = job
        return job

    def find(self, key: str) -> Job | None:
        """The order with this key, unless it has ended."""
        return self._by_key.get(key)

    def all(self) -> list[Job]:
        """Those that have not ended."""
        return list(self._by_number.values())

    async def idle(self, timeout_sec: float) -> bool:
        """Wait until all have ended; False when they have not in time."""
        if self._by_number:
            self._idle = self._loop.create_future()
            try:
                await asyncio.wait_for(self._idle, timeout_sec)
            except TimeoutError:
                return False
        return True

    def hand_over(self, jobs: Iterable[Job]) -> list[Handover]:
        """Make the pipes. Orders for which there are none left end soon."""
        made: list[Handover] = []
        for job in jobs:
            ends = self._two_pipes()
            if ends is None:
                self.finish_soon(job, End(start_error=NO_FILES, machine_fault=True))
                continue
            out, out_write, err, err_write = ends
            at_end = partial(self._pipe_ended, job)
            # A job can read from its own pipe through /proc and take what the loop is about to read.
            os.set_blocking(out, False)
            os.set_blocking(err, False)
            job.pipes = (Pipe(out, "stdout", job.sink, at_end), Pipe(err, "stderr", job.sink, at_end))
            if job.paused:
                for pipe in job.pipes:
                    pipe.paused = True
            order = job.order
            timeout = None if order.timeout_sec is None else float(order.timeout_sec)
            spawn = (
                wire.SPAWN, job.number, order.argv, dict(order.env), order.cwd, timeout, float(order.kill_grace_sec),
                float(order.cpu or 0.0), (order.ram_mb or 0) * _MIB, self.lease if order.leased else None,
                order.stdin,
            )  # fmt: skip
            if order.stdin:
                job.order = replace(order, stdin=b"")  # it is on its way
            made.append((spawn, out_write, err_write))
        return made

    def _two_pipes(self) -> list[int] | None:
        """Reading and writing end of each; None while too many files are open: the lowest free number is given."""
        ends: list[int] = []
        try:
            ends += os.pipe2(os.O_CLOEXEC)
            ends += os.pipe2(os.O_CLOEXEC)
            if max(ends) < self._files_max:
                return ends
        except OSError as wrong:
            if not is_of_the_machine(wrong):
                raise
        for end in ends:
            os.close(end)
        return None

    def pause(self, job: Job) -> None:
        """Read no more of it."""
        job.paused = True
        for pipe in job.pipes:
            self._pipes.pause(pipe)

    def resume(self, job: Job) -> None:
        """Read on; a job that has not started is read when it has."""
        job.paused = False
        for pipe in job.pipes:
            if job.pid:
                self._pipes.resume(pipe)
            else:
                pipe.paused = False

    def answered(self, answers: Sequence[wire.Message]) -> None:
        """Pass on what the warden says."""
        for answer in answers:
            match answer:
                case (wire.STARTED, int(number), int(pid)):
                    job = self._by_number[number]
                    job.pid = pid
                    self._young.append(job)
                    job.sink.started(pid)
                case (
                    wire.ENDED, int(number), int(code), float(cpu), int(rss), int(left), list(names), bool(cut),
                    bool(timed_out), str(oom), bool(lease_over),
                ):  # fmt: skip
                    exit_code, signal = (code, None) if code >= 0 else (None, -code)
                    survivors = tuple(str(name) for name in names)
                    end = End(
                        exit_code=exit_code, signal=signal, timed_out=timed_out, lease_over=lease_over,
                        oom=oom or None, cpu_sec=cpu, peak_rss_bytes=rss, left=left, survivors=survivors,
                        output_cut=cut,
                    )  # fmt: skip
                    self.ended(self._by_number[number], end)
                case (wire.FAILED | wire.UNBORN, int(number), str(sentence), bool(machine)):
                    self.finish(self._by_number[number], End(start_error=sentence, machine_fault=machine))
                case (wire.LINGERS, int(number)):
                    job = self._by_number[number]
                    job.lingers = True
                    self._tell_if_drained(job)
        if self._young and self._watch_soon is None:
            self._watch_soon = self._loop.call_later(_QUICK_SEC, self._watch)

    def ended(self, job: Job, end: End) -> None:
        """Nothing of the job runs any more, or it is beyond reach: read what is still in its pipes, then tell."""
        job.end = end
        for pipe in job.pipes:
            self._pipes.read_out(pipe)
        if job.number in self._by_number:
            if job.open_pipes:
                job.timer = self._loop.call_later(self._drain_sec, self._cut_off, job)
            else:
                self.finish(job, end)

    def finish_soon(self, job: Job, end: End) -> None:
        """As `finish`, but after the caller has returned."""
        job.end = end
        self._loop.call_soon(self.finish, job, end)

    def finish_all_soon(self, numbers: Iterable[int], end: End) -> None:
        """The same for some that have these numbers."""
        for number in numbers:
            if (job := self._by_number.get(number)) is not None:
                self.finish_soon(job, end)

    def finish(self, job: Job, end: End) -> None:
        """Close it and tell the sink."""
        if self._by_number.pop(job.number, None) is None:
            return
        del self._by_key[job.order.key]
        if job.timer is not None:
            job.timer.cancel()
        for pipe in job.pipes:
            self._pipes.close(pipe)
        job.sink.ended(end)
        if not self._by_number and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def close(self) -> None:
        """Leave the loop; all have ended."""
        if self._watch_soon is not None:
            self._watch_soon.cancel()
        self._pipes.close_all()

    def _watch(self) -> None:
        """Read those that have started and go on."""
        self._watch_soon = None
        young, self._young = self._young, []
        for job in young:
            for pipe in job.pipes:
                self._pipes.watch(pipe)

    def _pipe_ended(self, job: Job) -> None:
        if job.open_pipes:
            return
        if job.end is not None:
            self.finish(job, job.end)
        elif job.lingers:
            self._tell_if_drained(job)

    def _tell_if_drained(self, job: Job) -> None:
        if not any(has_writer(pipe.descriptor) for pipe in job.open_pipes):
            self._drained(job.number)

    def _cut_off(self, job: Job) -> None:
        """Somebody outside the tree still holds a pipe. One whose reading is paused waits for that first."""
        end = job.end
        if end is None:
            return
        for pipe in job.open_pipes:
            if not pipe.paused and has_writer(pipe.descriptor):
                self._pipes.read_out(pipe)
                if pipe.open:
                    self._pipes.close(pipe)
                    job.end = replace(end, output_cut=True)
        if job.open_pipes:
            job.timer = self._loop.call_later(self._drain_sec, self._cut_off, job)
        else:
            self.finish(job, job.end or end)
