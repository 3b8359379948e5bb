"""The attempts that this worker holds, and what servers and processes say of them.

It knows no connection: whatever carries messages calls the methods of `Attempts` with what the server said, and is a
`turns.Voice` for what is to be said.
"""

from collections.abc import Sequence
from typing import Protocol

from cmdexec.model import attempt as model
from cmdexec.model.attempt import State
from cmdexec.protocol import messages
from cmdexec.protocol.messages import Assignment, Held
from cmdexec.runtime import Runtime
from cmdexec.worker.executors.contract import End, Stream
from cmdexec.worker.held import HeldAttempt, result_of
from cmdexec.worker.lease import Lease
from cmdexec.worker.runner import Runner
from cmdexec.worker.sender import Sender
from cmdexec.worker.slots import Slots
from cmdexec.worker.spool.output import AttemptOutput
from cmdexec.worker.spool.records import key_of
from cmdexec.worker.spool.recovery import Found
from cmdexec.worker.spool.spool import Spool
from cmdexec.worker.turns import Turns, Voice


class Named(Protocol):
    """A message about an attempt."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...


class Watcher(Protocol):
    """Who looks on: whoever sits at this machine."""

    def began(self, held: HeldAttempt) -> None: ...

    def wrote(self, held: HeldAttempt, stream: Stream, data: bytes) -> None: ...

    def ended(self, held: HeldAttempt, end: End) -> None: ...

    def declined(self, held: HeldAttempt, why: str) -> None: ...


class Attempts:
    """The table of attempts, by key.

    draining      no more is taken, for good
    drained       no more is taken, until the server says so
    paused        no more is taken, until whoever owns this machine says so
    watcher       who looks on; None: nobody
    excused       the server has heard on this connection that no more is taken, for good, and nothing is on its way
    busy_at       when the worker last got or got rid of an attempt (elapsed seconds)
    turned_at     when the server last came within reach, or was lost
    taken_at      when it last took output, or a result or release
    output_limit  bytes of output that the server keeps of a job; None before it said so
    """

    def __init__(
        self, spool: Spool, slots: Slots, sender: Sender, runner: Runner, lease: Lease, turns: Turns, *,
        known_max: int, runtime: Runtime,
    ) -> None:  # fmt: skip
        self.table: dict[str, HeldAttempt] = {}
        self.draining = self.drained = self.paused = self.excused = False
        self.watcher: Watcher | None = None
        self.output_limit: int | None = None
        self.busy_at = self.turned_at = self.taken_at = runtime.clock.elapsed()
        self._spool, self._slots, self._sender, self._runner, self._turns = spool, slots, sender, runner, turns
        self._clock = runtime.clock
        self._known: dict[str, None] = {}
        self._known_max = known_max
        turns.forgotten, turns.full = self._forgotten, self._full
        spool.relieved, lease.over = runner.resume, self._lease_over

    @property
    def runs(self) -> bool:
        """Whether any process runs, or is about to."""
        return bool(self._slots.running)

    @property
    def spool_bytes(self) -> int:
        """All that waits for the server."""
        return self._spool.size

    @property
    def trouble(self) -> str | None:
        """Why no job is begun although there may be a slot, or none goes on, as a sentence; None: nothing is wrong."""
        if self._turns.fault is not None:
            return f"its journal cannot be written ({self._turns.fault}), so it begins no job"
        if self._spool.fault is not None:
            return f"its spool cannot be written ({self._spool.fault}), so jobs wait when memory is full"
        if self._turns.lack is not None:
            return f"it could make no process ({self._turns.lack}), so it gives jobs back and tries again now and then"
        return self._runner.trouble

    def adopt(self, found: Found) -> None:
        """An attempt that an earlier process left."""
        held = self._hold(HeldAttempt(found.record, found.output, found.assignment))
        held.done, held.journaled = found.done, not found.lives_on
        self._turns.carry_out(held, found.do)
        if found.lives_on:
            held.started_at = self._clock.elapsed()
            self._slots.take_up(held)
            self._runner.take_up(held, wanted=found.wanted, same_boot=found.same_boot)

    # What the server says --------------------------------------------------------------------------------------------

    def assigned(self, assignments: Sequence[Assignment]) -> None:
        """Jobs to hold. One that is held, or was, is said again, late, and must not be started again."""
        for assignment in assignments:
            key = key_of(assignment.job_id, assignment.attempt)
            if key in self.table or key in self._known:
                continue
            requeue = assignment.on_lost == "requeue"
            step = model.received(assignment.job_id, assignment.attempt, requeue=requeue)
            held = self._hold(HeldAttempt(step.record, self._begin(key, assignment), assignment))
            refusal = self._runner.refusal(assignment)
            refusal = refusal or self._slots.parts.capacity.refusal(assignment.cpu, assignment.ram_mb)
            if self.draining or self.drained or self.paused:
                self._turns.apply(held, model.HandBack())
            elif refusal is not None:
                self._turns.apply(held, model.Decline(refusal))
                if self.watcher is not None:
                    self.watcher.declined(held, refusal)
            else:
                self._turns.carry_out(held, step.do)

    def start_told(self, named: Named, told: messages.Told | None) -> None:
        """The answer to `start`; None: refused for good."""
        held = self._find(named)
        if held is None:
            return
        tell = told.tell if told is not None else "stop"
        if tell == "go":
            if self._slots.grant(held):
                self._turns.soon()
        elif tell == "again":
            self._turns.later(held)
        else:
            self._turns.apply(held, model.Stop())

    def end_told(self, named: Named, told: messages.Told | None) -> None:
        """The answer to `done` or `released`; None: refused for good."""
        held = self._find(named)
        if held is None or held.record.state not in (State.ENDED, State.RELEASED):
            return
        if told is not None and told.tell == "resend":
            held.said = False
            self._turns.rewind(held, told.stdout, told.stderr)
            self._turns.report(held)
        elif told is not None and told.tell == "again":
            self._turns.later(held)
        else:
            self._turns.apply(held, model.Acknowledged())

    def held_told(self, told: messages.Told) -> None:
        """What the server said of an attempt in the answer to a heartbeat."""
        held = self._find(told)
        if held is None:
            return
        if told.tell == "stop":
            self._turns.apply(held, model.Stop())
        elif told.tell == "resend":
            self._turns.rewind(held, told.stdout, told.stderr)

    def excuse(self) -> None:
        """The server has heard that no more is taken, and nothing that it gave before is under way."""
        if not self.excused:
            self.excused = True
            self._turns.moved.set()

    def beaten(self) -> None:
        """A heartbeat was answered: what the server does not want has been stopped by that."""
        for held in self.table.values():
            if held.muted and held.record.ending is None:
                held.muted = False
                self._turns.rewind(held)

    def stop(self, order: Named) -> None:
        """The server ends an attempt."""
        if (held := self._find(order)) is not None:
            self._turns.apply(held, model.Stop())

    def cancel(self, order: Named) -> None:
        """A person ends an attempt."""
        if (held := self._find(order)) is not None:
            self._turns.apply(held, model.Cancel())

    def acknowledged(self, ack: messages.OutputAck) -> None:
        """The server has so much of the output, and says what it wants next."""
        held = self._find(ack)
        if held is None:
            return
        self.taken_at = self._clock.elapsed()
        self._spool.ack(held.spooled, ack.stdout, ack.stderr)
        if ack.tell == "resend":
            self._turns.rewind(held, ack.stdout, ack.stderr)
        elif ack.tell != "ok":
            self._not_taken(held, ack)
        self._sender.acknowledged()

    def _not_taken(self, held: HeldAttempt, ack: messages.OutputAck) -> None:
        """Output was not stored: the job has as much as it may, or the attempt does not stand as this worker thinks."""
        if ack.code == "output_limit":
            held.limited = True
            self._discard(held)
        elif ack.code == "not_started":
            self._turns.apply(held, model.NotStarted())
            self._turns.later(held)
        elif ack.code == "resume_first" or ack.tell == "again":
            self._turns.resume(held)
            self._turns.later(held)
        else:
            held.muted = True
            self._turns.resume(held)

    def _discard(self, held: HeldAttempt) -> None:
        """What it wrote is counted and hashed, but nobody wants it."""
        self._spool.ack(held.spooled, held.spooled.stdout.end, held.spooled.stderr.end)

    # What connections say --------------------------------------------------------------------------------------------

    def named(self) -> tuple[Held, ...]:
        """The complete list. What is released stays on it until that has been said on the present connection."""
        return tuple(
            held.named for held in self.table.values() if held.record.state is not State.RELEASED or not held.said
        )

    def connected(self, voice: Voice) -> None:
        """The server is there and knows what is held: say everything again that it may not have heard."""
        self._turns.voice = voice
        self._spool.away = False
        self.turned_at = self._clock.elapsed()
        self._turns.moved.set()
        for held in list(self.table.values()):
            self._turns.say_again(held)

    def disconnected(self) -> None:
        """Nothing can be said; what was not answered was not said."""
        if self._turns.voice is not None:
            self.turned_at = self._clock.elapsed()
        self._turns.silence()
        self._spool.away = True
        self.excused = False
        for held in self.table.values():
            held.said = held.muted = False
            self._turns.rewind(held)

    # What the worker itself says -------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no more: what has not begun is given back, what runs goes on. No process is made from now on."""
        self._turns.unspawn()
        self._runner.withdraw()
        self._full()

    def _full(self) -> None:
        """As `drain`, but what is to be begun in this very turn is."""
        if not self.draining:
            self.draining = self._slots.closed = True
            if self._turns.voice is not None:  # else what is given back would be given to us again
                self._turns.voice.beat(at_once=True)
            self._give_back_unbegun()

    def rest(self, drained: bool) -> None:
        """The server wants this worker to take no more jobs for a while, or to take some again."""
        if drained == self.drained:
            return
        self.drained = drained
        self._close()

    def pause(self, paused: bool) -> None:
        """Whoever owns this machine wants it to take no more jobs for a while, or to take some again."""
        if paused == self.paused:
            return
        self.paused = paused
        if self._turns.voice is not None:  # else what is given back would be given to us again
            self._turns.voice.beat(at_once=True)
        self._close()

    def _close(self) -> None:
        self._slots.closed = self.draining or self.drained or self.paused
        if self._slots.closed:
            self._turns.unspawn()
            self._runner.withdraw()
            self._give_back_unbegun()
        self._turns.soon()

    def evict(self, key: str) -> bool:
        """Whoever owns this machine wants that attempt off it. Whether it runs, and is being ended now."""
        held = self.table.get(key)
        if held is None or held.record.state is not State.RUNNING:
            return False
        self._turns.apply(held, model.Evict())
        return True

    def _give_back_unbegun(self) -> None:
        for held in list(self.table.values()):
            if held.record.state in model.UNSPAWNED:
                self._turns.apply(held, model.HandBack())
        self._turns.soon()

    def hand_back(self) -> None:
        """Give back what runs, too, ended within the worker's own grace."""
        self.drain()
        for held in list(self.table.values()):
            self._turns.apply(held, model.HandBack())
            self._runner.hurry(held)

    def kill(self) -> None:
        """As `hand_back`, but nothing that runs is waited for."""
        self.hand_back()
        for held in list(self.table.values()):
            self._runner.kill(held)

    def _lease_over(self) -> None:
        for held in list(self.table.values()):
            if held.record.requeue:
                self._turns.apply(held, model.DeadlineOver())

    # What processes do -----------------------------------------------------------------------------------------------

    def _started(self, held: HeldAttempt) -> None:
        self._turns.born(held)
        if self.watcher is not None:
            self.watcher.began(held)
        if self._slots.began():
            self._turns.soon()

    def _output(self, held: HeldAttempt, stream: Stream, data: bytes) -> None:
        if self.watcher is not None:
            self.watcher.wrote(held, stream, data)
        if not self._spool.write(held.spooled, stream, data):
            self._runner.pause(held.key)
        if held.limited:
            self._discard(held)
        else:
            self._sender.speak(held)

    def _ended(self, held: HeldAttempt, end: End) -> None:
        if end.machine_fault or end.withdrawn:
            self._runner.tidy(held)
            if end.machine_fault and not end.engine_fault:
                self._turns.no_room(held, end.start_error or "")
            else:
                self._turns.unborn(held, end.start_error or "", machine=end.machine_fault)
            return
        if end.lease_over:  # this process may have slept, and not have seen yet that it is
            self._turns.apply(held, model.DeadlineOver())
        if self.watcher is not None:
            self.watcher.ended(held, end)
        self._slots.ended(held, self._clock.elapsed())
        self._sender.pace(self._slots.pace.median_sec)
        self._runner.tidy(held)
        if end.gone is not None:
            self._turns.gone(held, end.gone)
            return
        self._turns.finished(held, result_of(end))
        if held.limited:
            self._discard(held)

    def _begin(self, key: str, assignment: Assignment) -> AttemptOutput:
        return self._spool.begin(key, self.output_limit, outlives=assignment.container is not None)

    # The table -------------------------------------------------------------------------------------------------------

    def _hold(self, held: HeldAttempt) -> HeldAttempt:
        held.on_started, held.on_output, held.on_ended = self._started, self._output, self._ended
        held.on_phase = self._turns.resume
        self.busy_at = self._clock.elapsed()
        self.table[held.key] = held
        return held

    def _find(self, named: Named) -> HeldAttempt | None:
        return self.table.get(key_of(named.job_id, named.attempt))

    def _forgotten(self, held: HeldAttempt) -> None:
        self.table.pop(held.key, None)
        self._known[held.key] = None
        if len(self._known) > self._known_max:
            del self._known[next(iter(self._known))]
        self.busy_at = self.taken_at = self._clock.elapsed()
