"""How a worker ends: who may tell it to, how often, and when it is over."""

import asyncio
from collections.abc import Callable

from cmdexec.errors import CmdexecError
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.build import Worker


class Wishes:
    """How often the worker was told to end: once drains it, twice hands back what runs, three times kills that.

    no_more  called by the first at once, before anything else happens: no job is begun from then on
    """

    def __init__(self) -> None:
        self.count = 0
        self.came = asyncio.Event()
        self.no_more: Callable[[], None] = lambda: None

    def end(self) -> None:
        self.count += 1
        if self.count == 1:
            self.no_more()
        self.came.set()

    def end_once(self) -> None:
        """A closed terminal may say so twice, by way of the system and of the shell; that is no hurry."""
        if self.count == 0:
            self.end()

    async def when(self, event: asyncio.Event) -> None:
        """That event says so too, once."""
        await event.wait()
        self.end_once()


async def until_over(
    worker: Worker, wishes: Wishes, fault: list[CmdexecError], settings: WorkerSettings, runtime: Runtime
) -> None:
    """Do as is wished, until nothing runs and the server knows all, or a `fault` ends it."""
    attempts, moved = worker.attempts, worker.turns.moved
    steps = (("ending", attempts.drain), ("handing back what runs", attempts.hand_back),
             ("killing what runs", attempts.kill))  # fmt: skip
    done, gone_at = 0, None
    while not fault:
        if wishes.count > done:
            done = min(wishes.count, len(steps))
            said, step = steps[done - 1]
            runtime.log.info(said, jobs=len(attempts.table))
            step()
        left = _idle_left(worker, settings, runtime)
        if left is not None and left <= 0:
            runtime.log.info("ending, idle for long enough")
            attempts.drain()
        if attempts.draining and not attempts.runs:
            if not (attempts.table and worker.connection.online):
                return
            if done > 1:
                gone_at = runtime.clock.elapsed() if gone_at is None else gone_at
                patience = settings.hand_back_sec if done < len(steps) else 0.0
                left = gone_at + patience - runtime.clock.elapsed()
                if left <= 0:
                    runtime.log.warning("ending; the server does not know all yet", jobs=len(attempts.table))
                    return
        try:
            async with asyncio.timeout(left):
                await moved.wait()
        except TimeoutError:
            pass
        moved.clear()


def _idle_left(worker: Worker, settings: WorkerSettings, runtime: Runtime) -> float | None:
    """Seconds after which it has to be seen whether the worker was idle for long enough; None: never."""
    attempts, bound = worker.attempts, settings.idle_timeout_sec
    if bound is None or attempts.draining:
        return None
    return bound if attempts.table else attempts.busy_at + bound - runtime.clock.elapsed()
