"""How a worker ends: who may tell it to, how often, and when it is over."""

import asyncio
from collections.abc import Callable

from cmdexec.errors import CmdexecError, Unavailable
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
    """Do as is wished, until nothing runs and the server knows all, or a `fault` ends it: one from elsewhere, or that
    the server could not be reached for as long as the worker may be idle."""
    attempts, moved = worker.attempts, worker.turns.moved
    steps = (("ending", attempts.drain), ("handing back what runs", attempts.hand_back),
             ("killing what runs", attempts.kill))  # fmt: skip
    last = _LastWords(worker, settings, runtime)
    done = 0
    while not fault:
        if wishes.count > done:
            done = min(wishes.count, len(steps))
            said, step = steps[done - 1]
            runtime.log.info(said, jobs=len(attempts.table))
            step()
        left = _idle_left(worker, settings, runtime)
        if left is not None and left <= 0:
            if not worker.connection.online and not attempts.table:
                fault.append(_unreachable(worker, settings))
                return
            runtime.log.info("ending, idle for long enough")
            attempts.drain()
        if attempts.draining and not attempts.runs:
            left = last.left(told=done)
            if left is not None and left <= 0:
                last.tell()
                return
        try:
            async with asyncio.timeout(left):
                await moved.wait()
        except TimeoutError:
            pass
        moved.clear()


class _LastWords:
    """What a worker waits for when nothing runs any more: that the server has heard all that there is to say, and that
    it will be given no more."""

    def __init__(self, worker: Worker, settings: WorkerSettings, runtime: Runtime) -> None:
        self._attempts, self._connection = worker.attempts, worker.connection
        self._settings, self._clock, self._log = settings, runtime.clock, runtime.log
        self._waits_for = ""
        self._since = 0.0
        self._began: float | None = None

    def left(self, told: int) -> float | None:
        """Seconds that it may still take, of a worker that was `told` so often to end; 0: it is over, None: any."""
        waits_for, patience = self._patience(told)
        now = self._clock.elapsed()
        if self._began is None:
            self._began = now
        again, self._waits_for = waits_for == self._waits_for, waits_for
        if waits_for == "the server":  # one that comes and goes, and takes nothing, is away all the time
            self._since = max(self._began, self._attempts.taken_at)
        elif not again:
            self._since = now
        left = patience and self._since + patience - now
        if waits_for == "the server" and not again:
            self._log.warning(
                "the server is away, and does not know all yet; this worker waits for it, shorter when told again",
                jobs=len(self._attempts.table), wait_sec=left,
            )  # fmt: skip
        return left

    def _patience(self, told: int) -> tuple[str, float | None]:
        """What it waits for, and for how long at most."""
        settings, unsaid, online = self._settings, bool(self._attempts.table), self._connection.online
        if told > 2 or not (unsaid or online) or (not unsaid and self._attempts.excused):
            return "nothing", 0.0
        if told > 1 or not unsaid:
            return "a little", settings.hand_back_sec
        return ("an answer", None) if online else ("the server", settings.deliver_sec)

    def tell(self) -> None:
        """What is left unsaid, if anything is."""
        if self._attempts.table:
            self._log.warning(
                "ending; the server does not know all yet: the next worker in this folder tells it",
                jobs=len(self._attempts.table), folder=str(self._settings.data_dir),
            )  # fmt: skip


def _idle_left(worker: Worker, settings: WorkerSettings, runtime: Runtime) -> float | None:
    """Seconds after which it has to be seen whether the worker was idle for long enough, or its server away; None:
    never. Neither counts for the other. What it only has to tell a server that is away keeps it that long, and
    `deliver_sec` after it, no longer."""
    attempts, bound = worker.attempts, settings.idle_timeout_sec
    if bound is None or attempts.draining:
        return None
    if attempts.table and (attempts.runs or worker.connection.online):
        return bound
    if not worker.connection.online:
        bound = _away_most(bound, settings)
    return max(attempts.busy_at, attempts.turned_at) + bound - runtime.clock.elapsed()


def _away_most(bound: float, settings: WorkerSettings) -> float:
    """For how long its server may be away: a connection takes its time."""
    return max(bound, settings.connect_timeout_sec)


def _unreachable(worker: Worker, settings: WorkerSettings) -> CmdexecError:
    """What to say at the end of a worker that nobody could give a job."""
    why = worker.connection.why
    seconds = _away_most(settings.idle_timeout_sec or 0.0, settings)
    reason = why.message if why is not None else "Nothing has answered yet."
    return Unavailable(
        "server_away", f"Idle, and without its server for {seconds:g} s, this worker ends. {reason}",
        mend=why.mend if why is not None else None,
    )  # fmt: skip
