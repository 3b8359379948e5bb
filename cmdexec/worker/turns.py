"""Carrying out what the model says about attempts, in turns.

What happened since the last turn is journaled by one write; then processes are made; then what is to be said is said
together, so that the server needs one commit for it. Nothing is done or said before it is in the journal (promise 3).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Protocol

from cmdexec.model import attempt as model
from cmdexec.model.attempt import Do, News, Release, State, advance
from cmdexec.model.job import Reason, Result
from cmdexec.protocol import messages
from cmdexec.protocol.messages import Done, Held
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.held import HeldAttempt
from cmdexec.worker.lease import Lease
from cmdexec.worker.runner import Runner
from cmdexec.worker.sender import Sender
from cmdexec.worker.slots import Slots
from cmdexec.worker.spool.records import Ended, Forgotten, Received, Record, Released, Spawning
from cmdexec.worker.spool.spool import Spool

Why = Literal["neverSpawned", "startedAhead", "noRoom", "declined", "handedBack", "dead"]

_WHY: dict[Release, Why] = {
    Release.NEVER_SPAWNED: "neverSpawned", Release.STARTED_AHEAD: "startedAhead", Release.NO_ROOM: "noRoom",
    Release.DECLINED: "declined", Release.HANDED_BACK: "handedBack", Release.DEAD: "dead",
}  # fmt: skip


class Voice(Protocol):
    """What says things to the server, in the order of the calls."""

    def done(self, results: Sequence[Done]) -> None: ...

    def released(self, releases: Sequence[messages.Released]) -> None: ...

    def start(self, attempts: Sequence[Held]) -> None: ...

    def said(self) -> None:
        """All that belongs together was said."""
        ...

    def beat(self, *, at_once: bool = False) -> None:
        """Send a heartbeat with the complete list: soon, or before all that is said from now on."""
        ...


class Turns:
    """The shell around `model.attempt`.

    voice      where things are said; None while the server is away
    moved      set after every turn of a worker that drains
    forgotten  told of each attempt that is over and acknowledged
    full       told when the worker has started as many jobs as it shall
    spawned    attempts started so far
    fault      why the journal cannot be written; None: it can
    lack       why the machine has no room for a process; None: it has, as far as is known
    """

    def __init__(
        self, spool: Spool, slots: Slots, sender: Sender, runner: Runner, lease: Lease, *, settings: WorkerSettings,
        runtime: Runtime,
    ) -> None:  # fmt: skip
        self.voice: Voice | None = None
        self.moved = asyncio.Event()
        self.forgotten: Callable[[HeldAttempt], None] = lambda _held: None
        self.full: Callable[[], None] = lambda: None
        self.spawned = 0
        self._spool, self._slots, self._sender, self._runner, self._lease = spool, slots, sender, runner, lease
        self._settings, self._clock, self._log = settings, runtime.clock, runtime.log
        self._loop = asyncio.get_running_loop()
        self.fault: str | None = None
        self.lack: str | None = None
        self._nascent: set[str] = set()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._fitting: asyncio.TimerHandle | None = None
        self._fitting_at: float | None = None
        self._records: list[Record] = []
        self._received: list[HeldAttempt] = []
        self._settled: list[HeldAttempt] = []
        self._spawns: list[HeldAttempt] = []
        self._asks: dict[str, HeldAttempt] = {}
        self._reports: dict[str, HeldAttempt] = {}
        self._again: dict[str, HeldAttempt] = {}
        self._orders: dict[Do, Callable[[HeldAttempt], None]] = {
            Do.JOURNAL: self._journal, Do.ASK_START: self._ask, Do.SPAWN: self._spawns.append,
            Do.TERMINATE: runner.terminate, Do.KILL: runner.kill, Do.RESUME: self.resume, Do.REPORT: self.report,
            Do.RELEASE: self.report, Do.FORGET: self._forget,
        }  # fmt: skip
        sender.all_sent = self.report

    def apply(self, held: HeldAttempt, news: News) -> None:
        """Something happened to an attempt."""
        step = advance(held.record, news)
        held.record = step.record
        self.carry_out(held, step.do)

    def carry_out(self, held: HeldAttempt, orders: Sequence[Do]) -> None:
        """Do these, now or in the next turn."""
        for do in orders:
            self._orders[do](held)
        if orders:
            self.soon()

    def say_again(self, held: HeldAttempt) -> None:
        """Say where it stands, and send what of its output is not under way."""
        if held.key not in self._slots.granted:  # what was granted needs no second answer
            orders = advance(held.record, model.SayAgain()).do
            self.carry_out(held, [do for do in orders if do is not Do.RESUME])
        if held.spooled.unsent:
            self._sender.speak(held)

    def rewind(self, held: HeldAttempt, stdout: int | None = None, stderr: int | None = None) -> None:
        """Send its output again from these offsets, or from what is acknowledged."""
        spooled = held.spooled
        spooled.stdout.rewind(spooled.stdout.acked if stdout is None else stdout)
        spooled.stderr.rewind(spooled.stderr.acked if stderr is None else stderr)
        if spooled.unsent:
            self._sender.speak(held)

    def later(self, held: HeldAttempt) -> None:
        """Say all of it again after a while: it could not be taken now."""
        self._again[held.key] = held
        self._wait()

    def silence(self) -> None:
        """The server is away: nothing that was about to be said will be."""
        self.voice = None
        self._asks.clear()
        self._reports.clear()

    def born(self, held: HeldAttempt) -> None:
        """Its process exists."""
        self.lack = None
        self._nascent.discard(held.key)
        if self._is_full():
            self.soon()

    def finished(self, held: HeldAttempt, result: Result) -> None:
        """Nothing runs of it any more."""
        self._nascent.discard(held.key)
        self._spool.close(held.spooled)
        self.apply(held, model.Finished(result))

    def gone(self, held: HeldAttempt, message: str) -> None:
        """What an earlier process started of it is not there any more, and nobody saw it end."""
        self._spool.close(held.spooled)
        self.apply(held, model.Gone(message))

    def no_room(self, held: HeldAttempt, message: str) -> None:
        """No process could be made, for want of room on this machine: it is given back, and no more is asked for a
        while. Else a worker that can start nothing would draw all jobs to it."""
        self.lack = message
        self.unborn(held, message, machine=True)
        wait, now = self._settings.start_pause_sec, self._clock.elapsed()
        if now >= self._slots.paused_until:
            self._log.warning("no process could be made; no job is started for a while", error=message, wait_sec=wait)
            self._loop.call_later(wait, self.soon)
        self._slots.pause(now + wait)

    def unspawn(self) -> None:
        """The worker takes no more: what could not be started yet, since the journal cannot be written, is not."""
        spawns = list(self._spawns)
        self._spawns.clear()
        for held in spawns:
            self.unborn(held, "the worker was told to take no more before it was started")

    def unborn(self, held: HeldAttempt, message: str, *, machine: bool = False) -> None:
        """No process was made of it, and none will be; `machine`: for want of room on it."""
        self.spawned -= 1
        self._nascent.discard(held.key)
        self._spool.close(held.spooled)
        self.apply(held, model.Unborn(message, machine))

    # The orders ------------------------------------------------------------------------------------------------------

    def _journal(self, held: HeldAttempt) -> None:
        record = held.record
        match record.state:
            case State.RECEIVED if held.assignment is not None:
                self._records.append(Received(held.assignment))
                self._received.append(held)
            case State.RUNNING:
                self._records.append(Spawning(record.job_id, record.attempt))
            case State.ENDED:
                held.close(held.spooled.close())
                self._spool.settle(held.spooled, lambda: self._end_settled(held))
            case State.RELEASED:
                release = record.release or Release.DEAD
                self._records.append(Released(record.job_id, record.attempt, _WHY[release], record.message))
                self._slots.leave(held)
                held.journaled = True
                self._runner.clear(held, held.remains)
                if release is not Release.DEAD:
                    self._spool.drop(held.spooled)

    def _end_settled(self, held: HeldAttempt) -> None:
        self._settled.append(held)
        self.soon()

    def _ask(self, held: HeldAttempt) -> None:
        self._asks[held.key] = held

    def resume(self, _held: HeldAttempt) -> None:
        """Name it as held: the complete list is one message."""
        if self.voice is not None:
            self.voice.beat()

    def report(self, held: HeldAttempt) -> None:
        """Say its result or release, once what goes before it is journaled and sent."""
        if held.journaled and not held.said and self.voice is not None:
            self._reports[held.key] = held
            self.soon()

    def _forget(self, held: HeldAttempt) -> None:
        self._records.append(Forgotten(held.record.job_id, held.record.attempt))
        for place in (self._reports, self._again, self._asks):
            place.pop(held.key, None)
        self._slots.leave(held)
        self._sender.forget(held)
        self._spool.drop(held.spooled)
        self.forgotten(held)

    # Turns -----------------------------------------------------------------------------------------------------------

    def soon(self) -> None:
        """Take a turn when what is going on now is over."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._settings.again_sec, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        again, self._again = self._again, {}
        for held in again.values():
            held.said = False
            self.rewind(held)
            self.say_again(held)
        self.soon()

    def _turn(self) -> None:
        self._scheduled = False
        self._fill()
        settled, self._settled = self._settled, []
        self._records.extend(Ended(held.to_journal()) for held in settled)
        if self._written():
            self._spawn()
            self._queue()
        for held in settled:  # a journal that cannot be written is no reason to keep a result back
            self._runner.clear(held, partial(self._cleared, held))
        self._say()
        if self._slots.closed:
            self.moved.set()

    def _cleared(self, held: HeldAttempt, left: Sequence[str]) -> None:
        """Its container is removed, or stays: its result may be said."""
        held.remains(left)
        held.journaled = True
        self.report(held)

    def _fill(self) -> None:
        """Give free slots to those that may start."""
        now = self._clock.elapsed()
        most = self._left
        if self._slots.granted and now < self._slots.paused_until:
            for held in list(self._slots.granted.values()):
                self.apply(held, model.Stalled())
        chosen = [] if self._slots.closed else self._slots.to_run(most)
        in_time = self._lease.in_time() if chosen else False
        for held in chosen:
            self.apply(held, model.Go(in_time=in_time))
            if held.record.state is State.RUNNING:
                self.spawned += 1
                self._nascent.add(held.key)
        if self._is_full():
            self.full()
        if self._slots.granted and self._patience is None:
            self._patience = self._loop.call_later(self._slots.patience_sec, self._impatient)

    @property
    def _left(self) -> int | None:
        """How many more may be begun; None: any number."""
        return None if self._settings.max_jobs is None else self._settings.max_jobs - self.spawned

    def _is_full(self) -> bool:
        """Whether as many were begun as may be, and of none of them it may still turn out that no process was made."""
        left = self._left
        return left is not None and left <= 0 and not self._nascent

    def _impatient(self) -> None:
        """Give back what was started ahead of slots that do not come free: another worker may have one."""
        self._patience = None
        for held in self._slots.kept_waiting(self._clock.elapsed()):
            self.apply(held, model.Stalled())
        self.soon()

    def _wait_for_a_turn(self) -> None:
        """Look again when it is another one's turn: of those whose part fits, or of the one whose part does not yet."""
        now = self._clock.elapsed()
        at = self._slots.parts.next_turn(now)
        if at == self._fitting_at:
            return
        if self._fitting is not None:
            self._fitting.cancel()
        self._fitting_at = at
        self._fitting = None if at is None else self._loop.call_later(at - now, self._turn_begins)

    def _turn_begins(self) -> None:
        self._fitting = self._fitting_at = None
        self.soon()

    def _written(self) -> bool:
        """Whether all that goes before the effects of this turn is in the journal."""
        if not self._records:
            return True
        try:
            self._spool.journal(self._records)
        except OSError as wrong:
            if self.fault is None:
                self._log.warning("the journal cannot be written; no job is started", error=wrong.strerror)
            self.fault = wrong.strerror or type(wrong).__name__
            self._wait()
            return False
        self._records.clear()
        if self.fault is not None:
            self.fault = None
            self._log.info("the journal can be written again")
        return True

    def _spawn(self) -> None:
        if not self._spawns:
            return
        spawns = list(self._spawns)
        self._spawns.clear()
        now = self._clock.elapsed()
        for held in spawns:
            held.started_at = now
        self._runner.start([held for held in spawns if held.record.ending is None])
        for held in spawns:
            if held.record.ending is not None:  # it was ended while the journal could not be written
                self._slots.leave(held)
                self.finished(held, Result(reason=Reason.SIGNAL, signal=9, message="ended before it was started"))

    def _queue(self) -> None:
        """What is journaled may ask to start."""
        received, self._received = self._received, []
        for held in received:
            self.apply(held, model.Journaled())
            if held.record.state is State.JOURNALED:
                self._slots.wait(held)
        for held in self._slots.to_ask(self._clock.elapsed(), self._left):
            self.apply(held, model.SlotFree())
        self._wait_for_a_turn()

    def _say(self) -> None:
        voice = self.voice
        if voice is None:
            return
        results: list[Done] = []
        releases: list[messages.Released] = []
        for held in self._reports.values():
            if held.record.state is not State.RELEASED:
                done = held.to_send()
                if done is None:
                    self._sender.finish(held)
                    continue
                self._sender.rode(held)
                results.append(done)
            elif held.sayable():
                releases.append(_release_of(held))
            else:
                self._sender.finish(held)
                continue
            held.said = True
        self._reports.clear()
        asks, self._asks = self._asks, {}
        if results:
            voice.done(results)
        if releases:
            voice.released(releases)
        if asks:
            voice.start([held.named for held in asks.values()])
        voice.said()


def _release_of(held: HeldAttempt) -> messages.Released:
    record = held.record
    why = _WHY[record.release or Release.DEAD]
    return messages.Released(job_id=record.job_id, attempt=record.attempt, why=why, message=record.message)
