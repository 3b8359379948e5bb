"""Runs jobs in containers of whatever engine is there, and follows it when it comes and goes."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from cmdexec.worker.executors.container_job import ContainerJob, Earlier
from cmdexec.worker.executors.container_sweep import Sweep
from cmdexec.worker.executors.container_works import Works
from cmdexec.worker.executors.contract import End, Known, Order, Sink, Stream
from cmdexec.worker.executors.engine_calls import EngineCalls
from cmdexec.worker.executors.engine_found import Looked, look

_CLOSED = "the worker runs no jobs any more"
_HOLDS_MOST = 12
"""Times START_PAUSE_SEC: an engine that fails again and again is tried so seldom, since the worker registers anew for
each try."""
_FAULT = "the worker failed at it; its log says why"


class ContainerExecutor:
    """Implements `contract.Executor`; `run` is its service, which owns a task for each order.

    changed  told when there is an engine where there was none, or none any more
    """

    def __init__(self, works: Works) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._works = works
        self._sweep = Sweep(works, self._wanted)
        self._why_none: str | None = None
        self._why_held: str | None = None
        self._held_until = 0.0
        self._holds = 0
        self._jobs: dict[str, ContainerJob] = {}
        self._over: dict[str, ContainerJob] = {}
        self._waiting: list[ContainerJob] = []
        self._removing: dict[str, ContainerJob] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._looking = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = self._had = False

    @property
    def ready(self) -> bool:
        """Whether there is an engine, which does what it is asked."""
        return self._works.engine is not None and self._why_held is None

    @property
    def trouble(self) -> str | None:
        """Why no container can be run, where somebody expects that they can, as a sentence; None: nothing is wrong."""
        if self._works.engine is not None and self._why_held is not None:
            return f"it could make no container ({self._why_held}), so it tries again only now and then"
        return self._why_none

    async def open(self) -> None:
        """Look for an engine, and say what was found. It is no fault if there is none."""
        await self._look(first=True)

    async def run(self) -> None:
        """Run what is ordered, and look for the engine now and then, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            waiting, self._waiting = self._waiting, []
            for job in waiting:
                self._tasks.create_task(self._run(job))
            while True:
                if self._works.engine is not None:
                    await self._sweep.run(self._works.engine)
                await self._works.clock.sleep(self._pause_sec())
                if not self._closed:
                    await self._look()
                    self._hold_no_more()

    # The orders ------------------------------------------------------------------------------------------------------

    def start(self, orders: Sequence[tuple[Order, Sink]]) -> None:
        """Make a container for each."""
        for order, sink in orders:
            if self._closed:
                end = End(start_error=_CLOSED, machine_fault=True)
                asyncio.get_running_loop().call_soon(sink.ended, end)
            else:
                self._begin(ContainerJob(order, sink, self._works))

    def take_up(
        self, order: Order, sink: Sink, *, wanted: bool, same_boot: bool, known: Mapping[Stream, Known]
    ) -> None:  # fmt: skip
        """Go on with what an earlier process began, or end it, if it is not wanted; `same_boot`: the machine runs since
        before that; `known`: what is stored of its output. It may end as `gone`."""
        earlier = Earlier(wanted=wanted, same_boot=same_boot, known=known)
        self._begin(ContainerJob(order, sink, self._works, earlier))

    def _begin(self, job: ContainerJob) -> None:
        self._jobs[job.order.key] = job
        self._idle.clear()
        if self._tasks is None:
            self._waiting.append(job)
        else:
            self._tasks.create_task(self._run(job))

    async def _run(self, job: ContainerJob) -> None:
        try:
            end = await job.run()
        except Exception as wrong:
            self._works.log.error("a job in a container failed by a fault of ours", key=job.order.key, exc=wrong)
            left = await job.abandon()
            end = End(executor_lost=True, lost_why=_FAULT, output_lost=True, left=len(left), survivors=left)
        if end.engine_fault and not self._closed:
            await self._look()  # it may be gone: no more is asked for then
            self._hold(end.start_error or "")
        elif job.begun:
            self._holds = 0
        self._jobs.pop(job.order.key, None)
        self._over[job.order.key] = job
        job.sink.ended(end)
        self._rest()

    def _rest(self) -> None:
        if not self._jobs and not self._removing:
            self._idle.set()

    def clear(self, key: str, then: Callable[[tuple[str, ...]], None]) -> None:
        """How it ended is on the disk: remove what remains of it. `then` hears what could not be removed."""
        job = self._over.pop(key, None)
        if job is None or self._tasks is None:
            then(())
            return
        self._removing[key] = job
        self._idle.clear()
        self._tasks.create_task(self._remove(job, then))

    async def _remove(self, job: ContainerJob, then: Callable[[tuple[str, ...]], None]) -> None:
        left = await job.remove()
        del self._removing[job.order.key]
        then(left)
        self._rest()

    def stop(self, key: str, grace_sec: float) -> None:
        """End it."""
        if (job := self._jobs.get(key)) is not None:
            job.stop(grace_sec)

    def withdraw(self) -> None:
        """Begin none that has not begun."""
        for job in self._jobs.values():
            if not job.begun:
                job.stop(0)

    def renewed(self, until: float) -> None:
        """None that is leased begins after this moment; those that run the keeper ends."""
        self._works.lease_until = until

    def pause(self, key: str) -> None:
        """Read no more of its output."""
        if (job := self._jobs.get(key)) is not None:
            job.pause(True)

    def resume(self, key: str) -> None:
        """Read on."""
        if (job := self._jobs.get(key)) is not None:
            job.pause(False)

    async def close(self) -> None:
        """Kill all of them and tell. What cannot be ended now, since the engine is away or nobody runs `run` any more,
        the next process finds."""
        self._closed = True
        for job in self._jobs.values():
            job.pause(False)
            job.stop(0)
        bound = 2 * self._works.settings.kill_deadline_sec + self._works.settings.drain_sec
        if self._tasks is not None:
            try:
                async with asyncio.timeout(bound):
                    await self._idle.wait()
            except TimeoutError:
                self._works.log.error("containers did not end in time", jobs=len(self._jobs))
        if self._works.engine is not None:
            if self._works.doubtful:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._works.settings.kill_deadline_sec):
                        await self._sweep.run(self._works.engine)
            self._works.engine.close()
            self._works.engine = None

    def _wanted(self) -> frozenset[str]:
        """The containers that are not to be removed: of how some ended nothing is on the disk yet, others are being
        removed just now."""
        return frozenset(job.name for jobs in (self._jobs, self._over, self._removing) for job in jobs.values())

    # The engine ------------------------------------------------------------------------------------------------------

    def _hold(self, why: str) -> None:
        """It is there, but did not do what it was asked: else this worker would draw all jobs in containers to it, and
        give them back."""
        if self._works.engine is None:
            return
        held, self._why_held = self._why_held, why
        if held is None:
            self._holds = min(self._holds * 2, _HOLDS_MOST) or 1
        wait = self._works.settings.start_pause_sec * self._holds
        self._held_until = self._works.clock.elapsed() + wait
        if held is None:
            self._works.log.warning(
                "a container could not be made; no job in one is started for a while", error=why, wait_sec=wait
            )
            self.changed()

    def _hold_no_more(self) -> None:
        if self._why_held is not None and self._works.clock.elapsed() >= self._held_until:
            self._why_held = None
            if self._works.engine is not None:
                self.changed()

    def _pause_sec(self) -> float:
        """Until the engine is looked at again."""
        look_sec = self._works.settings.engine_look_sec
        if self._why_held is None:
            return look_sec
        return min(look_sec, max(0.0, self._held_until - self._works.clock.elapsed()))

    async def _look(self, *, first: bool = False) -> None:
        async with self._looking:
            await self._find(first=first)

    async def _find(self, *, first: bool) -> None:
        settings = self._works.settings
        looked = await self._works.call(
            partial(look, settings.docker_host, settings.docker_context, settings.engine_probe_sec)
        )
        before, now = self._works.engine, looked.engine
        if now is not None and (before is None or before.engine != now):
            self._works.engine = EngineCalls(now, self._works.settings.engine_call_sec)
            self._works.log.info("jobs can run in containers", engine=str(now), found_by=now.place.why)
        elif before is not None and now is not None:
            before.engine = now
        else:
            self._works.engine = None
            self._say_none(looked, lost=before is not None, first=first)
        self._had = self._had or now is not None
        self._why_none = None if now is not None or not (self._had or looked.named) else looked.why_none
        if not first and (before is None) != (now is None):
            self.changed()

    def _say_none(self, looked: Looked, *, lost: bool, first: bool) -> None:
        log = self._works.log
        if lost or (first and looked.named):
            log.warning("no jobs in containers until it answers", error=looked.why_none)
        elif first:
            log.info("no jobs in containers", why=looked.why_none)
