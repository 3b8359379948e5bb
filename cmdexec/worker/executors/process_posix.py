"""Jobs as processes of this machine, made and ended by a warden (`cmdexec.worker.warden`) on Linux.

The worker makes the output pipes, gives the write ends away and reads the other ends on its loop; everything else about
a process the warden does, and tells. So a job costs the worker two pipes, its part of two messages, and a few reads.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, cast

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.capacity import above_the_machine, capacity_of, machine_capacity
from cmdexec.worker.executors.contract import End, Order, Sink
from cmdexec.worker.executors.process_files import RESERVED, make_room
from cmdexec.worker.executors.process_jobs import Job, Jobs
from cmdexec.worker.executors.process_lifeline import Lifeline
from cmdexec.worker.warden import wire
from cmdexec.worker.warden.command import AUTO, Durations, Totals, command

HeldBy = Literal["cgroup2", "cgroup1", "watched"]

_CLOSED = "the worker runs no jobs any more"
_STOPPED = "it was stopped before it could be started"
_WITHDRAWN = "the worker was told to end before it was started"


class ProcessExecutor:
    """Implements `contract.Executor`.

    capacity what of this machine all jobs together may use
    lock_fd  a descriptor that the warden holds open until it has ended, after every tree
    mode     "cgroup1", "cgroup2" or "session": only that ("session" where it does not work)
    """

    def __init__(self, *, settings: WorkerSettings, lock_fd: int | None, log: Log, mode: str = AUTO) -> None:
        self._settings = settings
        self._lock_fd = lock_fd
        self._log = log
        self._wanted_mode = mode
        self._machine = machine_capacity()
        self.capacity = capacity_of(settings, self._machine)
        self._mode = self._place = self._why_watched = ""
        self._limits: HeldBy | None = None
        self._files_limit = self._warden_began = self._renewals = 0
        self._jobs: Jobs | None = None
        self._lifeline: Lifeline | None = None
        self._hello: asyncio.Future[None] | None = None
        self._ready = False
        self._waiting: dict[int, Job] = {}
        self._kept: dict[str, str] = {}
        self._recovery: asyncio.Task[None] | None = None
        self._owns_orphans = False
        self._closed = False

    @property
    def mode(self) -> str:
        """What holds trees together: "cgroup1", "cgroup2" or "session"; empty before `open`."""
        return self._mode

    @property
    def limits(self) -> HeldBy | None:
        """What holds jobs to their parts; None before `open`."""
        return self._limits

    @property
    def warden_pid(self) -> int:
        """The number of the warden's process; 0 while there is none."""
        return self._lifeline.pid if self._lifeline is not None else 0

    async def open(self) -> None:
        """Start the warden. Raises CmdexecError when that fails, or this is not Linux."""
        if not hasattr(os, "pidfd_open"):
            raise CmdexecError(
                "no_executor",
                "Jobs cannot run as processes of this machine: it is not Linux.",
                mend="Run the worker on Linux.",
            )
        room = make_room(self._settings.slots)
        self._files_limit = room.before
        if not room.enough:
            self._log.warning(
                "too few files may be open for so many slots: lower SLOTS, or allow more (ulimit -n, LimitNOFILE=)",
                slots=self._settings.slots, files=room.for_pipes + RESERVED, needed=room.needed,
            )  # fmt: skip
        self._jobs = Jobs(self._settings.drain_sec, room.for_pipes, self._drained)
        try:
            await self._launch()
        except (OSError, TimeoutError) as error:
            self._jobs.close()
            self._jobs = None
            raise self._no_warden(error) from error
        for sentence in above_the_machine(self._settings, self._machine):
            self._log.warning(sentence)
        if self._limits == "watched":
            await self._only_watched()

    def _no_warden(self, error: OSError | TimeoutError) -> CmdexecError:
        """What is said when the warden cannot be had: what stood in its way, and where more is to be seen."""
        mend = "Look at the limits on processes and open files, and whether this user may run that program."
        if isinstance(error, TimeoutError):
            why = f"it was not ready within {self._settings.warden_start_sec:g} s ({sys.executable})"
            mend = "See whether this machine is overloaded, or raise WARDEN_START_SEC."
        elif isinstance(error, ConnectionError):
            why = f"it ended at once ({sys.executable})"
            mend = "Look for its last words above, and at the limits on processes and open files."
        else:
            why = error.strerror or type(error).__name__
            why += f": {error.filename}" if isinstance(error.filename, str) else ""
        sentence = f"The process that starts and ends jobs could not be started: {why}."
        return CmdexecError("no_executor", sentence, mend=mend)

    async def _only_watched(self) -> None:
        """Say so, where somebody expects more. Raises CmdexecError when that was asked for."""
        if self._settings.limits == "cgroup":
            await self.close()
            raise CmdexecError(
                "no_executor",
                f"Jobs cannot be held to their part of this machine by cgroups: {self._why_watched}.",
                field="LIMITS",
                mend="Delegate the controllers cpu and memory to this worker (Delegate=yes under systemd), or leave "
                "LIMITS at auto.",
            )
        if self.capacity.cpu_set or self.capacity.ram_set:
            self._log.warning("CPU_LIMIT and RAM_LIMIT are watched here, not enforced")

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        """Make a process for each order. While a dead warden's jobs are being ended, they wait for the next one."""
        if self._jobs is None:
            for _, sink in orders:
                asyncio.get_running_loop().call_soon(sink.ended, End(start_error=_CLOSED, machine_fault=True))
            return
        jobs = [self._jobs.add(order, sink) for order, sink in orders]
        if self._ready:
            self._send(jobs)
            return
        self._waiting.update((job.number, job) for job in jobs)
        if self._closed:
            self._fail_waiting(_CLOSED)
        elif self._recovery is None:
            self._recovery = asyncio.get_running_loop().create_task(self._recover([]))

    def stop(self, key: str, grace_sec: float) -> None:
        """End a tree: TERM, KILL after the grace. An order that still waits for a warden ends without having run."""
        job = self._find(key)
        if self._jobs is None or job is None or job.end is not None:
            return
        if self._waiting.pop(job.number, None) is not None:
            self._jobs.finish_soon(job, End(start_error=_STOPPED, withdrawn=True))
        elif self._lifeline is not None:
            self._lifeline.tell((wire.STOP, job.number, float(grace_sec)))

    def withdraw(self) -> None:
        """Those that wait for a warden, or for room on the way to it."""
        numbers = list(self._waiting)
        self._waiting.clear()
        if self._lifeline is not None:
            numbers += self._lifeline.withdraw()
        if self._jobs is not None:
            self._jobs.finish_all_soon(numbers, End(start_error=_WITHDRAWN, withdrawn=True))

    def renewed(self, until: float) -> None:
        """Tell the warden, which keeps that deadline."""
        if self._jobs is not None:
            self._renewals += 1
            self._jobs.lease = self._renewals, until
            leased = bool(self._kept) or any(job.order.leased for job in self._jobs.all())
            if self._lifeline is not None and leased:
                self._lifeline.renew(self._renewals, until)

    def keep_container(self, name: str, url: str) -> bool:
        """The warden removes it when the lease is over, or this process dies. False: there is no warden now."""
        if self._jobs is None or self._lifeline is None or not self._ready:
            return False
        self._kept[name] = url
        self._lifeline.tell((wire.KEEP, name, url, *self._jobs.lease))
        return True

    def let_container_go(self, name: str) -> None:
        """It is removed."""
        if self._kept.pop(name, None) is not None and self._lifeline is not None:
            self._lifeline.tell((wire.LET_GO, name))

    def pause(self, key: str) -> None:
        """Read no more of its output."""
        if self._jobs is not None and (job := self._find(key)) is not None:
            self._jobs.pause(job)

    def resume(self, key: str) -> None:
        """Read on."""
        if self._jobs is not None and (job := self._find(key)) is not None:
            self._jobs.resume(job)

    async def close(self) -> None:
        """Kill every tree, tell every sink, end the warden. Output that is still in a pipe is passed on before."""
        self._closed = True
        if self._recovery is not None:
            await asyncio.wait([self._recovery])
        jobs = self._jobs
        if jobs is None:
            return
        self._fail_waiting(_CLOSED)
        for job in jobs.all():
            jobs.resume(job)
            self.stop(job.order.key, 0)
        end_sec = self._settings.kill_deadline_sec + self._settings.warden_end_sec
        if not await jobs.idle(end_sec + self._settings.drain_sec):
            self._log.error("jobs did not end in time", jobs=len(jobs.all()))
        self._ready = False
        self._jobs = None
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None and not await lifeline.end(end_sec):
            self._log.error("the warden did not end in time and was killed", warden=lifeline.pid)
        if self._recovery is not None:  # the warden died meanwhile
            await asyncio.wait([self._recovery])
        for job in jobs.all():
            jobs.finish(job, job.end or End(executor_lost=True))
        jobs.close()
        self._own_orphans(False)

    def _find(self, key: str) -> Job | None:
        return self._jobs.find(key) if self._jobs is not None else None

    # The warden

    async def _launch(self) -> None:
        """Start a warden and wait until it is ready. Raises OSError or TimeoutError."""
        self._hello = asyncio.get_running_loop().create_future()
        lifeline = self._lifeline = Lifeline(self._command(), self._lock_fd, self._answered, self._died)
        try:
            await asyncio.wait_for(self._hello, self._settings.warden_start_sec)
        except BaseException:
            if self._lifeline is not None:
                self._lifeline = None
                await lifeline.end(0)
            raise
        self._own_orphans(True)
        self._warden_began = lifeline.began
        self._ready = True
        for name, url in self._kept.items():
            self.keep_container(name, url)
        why = {"no_cgroups": self._why_watched} if self._why_watched else {}
        if self._settings.limits == "cgroup" and self._limits == "watched":
            return  # that is refused, which says why
        self._log.info("ready to run jobs", mode=self._mode, limits=self._limits, **why, warden=lifeline.pid)

    def _command(self) -> Callable[[int], Sequence[str]]:
        settings = self._settings
        durations = Durations(
            drain=settings.drain_sec, kill=settings.kill_deadline_sec, hold=settings.warden_hold_ms / 1000,
            sweep=settings.warden_sweep_sec, look=settings.warden_look_ms / 1000,
            limits=settings.limits_look_ms / 1000,
        )  # fmt: skip
        totals = Totals(
            settings.limits, self.capacity.cpu_limit or 0.0, (self.capacity.ram_limit_mb or 0) << 20
        )  # fmt: skip
        return partial(
            command, lock=self._lock_fd, mode=self._wanted_mode, files_limit=self._files_limit, totals=totals,
            durations=durations,
        )  # fmt: skip

    def _own_orphans(self, own: bool) -> None:
        """What a dead warden leaves must become ours, else it cannot be told from other processes."""
        if own != self._owns_orphans:
            from cmdexec.worker.warden.kernel import set_subreaper

            set_subreaper(own)
            self._owns_orphans = own

    def _send(self, jobs: Sequence[Job]) -> None:
        if self._jobs is not None and self._lifeline is not None and (made := self._jobs.hand_over(jobs)):
            self._lifeline.order(made)

    def _drained(self, number: int) -> None:
        if self._lifeline is not None:
            self._lifeline.tell((wire.DRAINED, number))

    def _answered(self, answers: list[wire.Message]) -> None:
        match answers[0]:
            case (wire.HELLO, str(mode), str(place), str(limits), str(why)):
                self._mode, self._place, self._why_watched = mode, place, why
                self._limits = cast(HeldBy, limits)
                if self._hello is not None and not self._hello.done():
                    self._hello.set_result(None)
            case _ if self._jobs is not None:
                self._jobs.answered(answers)

    def _died(self) -> None:
        self._lifeline = None
        if not self._ready:
            if self._hello is not None and not self._hello.done():
                self._hello.set_exception(ConnectionError("the warden ended at once"))
            return
        self._ready = False
        self._log.error("the warden died; its jobs are lost")
        if self._jobs is not None and self._recovery is None:
            lost = [job for job in self._jobs.all() if job.end is None]
            self._recovery = asyncio.get_running_loop().create_task(self._recover(lost))

    # After its death

    async def _recover(self, lost: list[Job]) -> None:
        """End what a dead warden left, tell whose it was, and start a new one."""
        try:
            if lost:
                await self._end_lost(lost)
            if not self._closed:
                await self._launch()
        except (OSError, TimeoutError) as error:
            self._log.error("no new warden could be started", error=type(error).__name__)
            self._fail_waiting("the process that starts jobs could not be started")
        finally:
            self._recovery = None
        if self._ready:
            waiting = list(self._waiting.values())
            self._waiting.clear()
            self._send(waiting)

    async def _end_lost(self, lost: list[Job]) -> None:
        from cmdexec.worker.executors.process_aftermath import Aftermath

        mains = {job.pid for job in lost}
        aftermath = Aftermath(self._mode, self._place, self._warden_began)
        survivors = await aftermath.end_all(self._settings.kill_deadline_sec)
        for job in lost:
            # Whose a survivor is can be said only by its session; one that left it is named by every job.
            own = tuple(
                str(process) for process in survivors if process.session == job.pid or process.session not in mains
            )
            if self._jobs is not None:
                self._jobs.ended(job, End(executor_lost=True, left=len(own), survivors=own))

    def _fail_waiting(self, sentence: str) -> None:
        waiting = list(self._waiting.values())
        self._waiting.clear()
        if self._jobs is not None:
            for job in waiting:
                self._jobs.finish_soon(job, End(start_error=sentence, machine_fault=True))
