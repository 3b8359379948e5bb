"""A simulated worker: the shell around `model.attempt`, with slots, a journal, and a talent for dying."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cmdexec.model import attempt as at
from cmdexec.model.attempt import Do, Record, State, Step
from cmdexec.model.decision import Tell
from cmdexec.model.job import Reason, Result
from cmdexec.model.lease import own_deadline
from tests.sim.world import HEARTBEAT, KILL_MAX, LEASE, MARGIN, Process, World

if TYPE_CHECKING:
    from tests.sim.server import Server

Key = tuple[str, int]
NEVER = float("-inf")


class Worker:
    """One machine with one worker. `stamp` = (process, list sent by it): tells which lists were sent after a start."""

    def __init__(self, world: World, index: int, server: "Server") -> None:
        self.world, self.index, self.server = world, index, server
        self.name = f"w{index}"
        self.slots = world.rng.randint(1, 3)
        self.lives, self.instance = 1, 0
        self.journal: list[tuple[Key, Record | None]] = []
        self.records: dict[Key, Record] = {}
        self.running: dict[Key, Process] = {}
        self.deadline = NEVER
        self.known: set[Key] = set()
        self.beats = 0
        self.up = False
        world.after(0, self.start, True)

    @property
    def session(self) -> str:
        return f"{self.name}.{self.lives}"

    @property
    def stamp(self) -> tuple[int, int]:
        return self.instance, self.beats

    # Its life -------------------------------------------------------------------------------------------------------

    def start(self, same_boot: bool) -> None:
        """A new process of the worker reads its journal."""
        self.up, self.deadline, self.beats = True, NEVER, 0
        self.instance += 1
        found: dict[Key, Record] = {}
        for key, record in self.journal:
            if record is None:
                found.pop(key, None)
            else:
                found[key] = record
        self.records, self.known = {}, set(found)
        self.journal = list(found.items())
        for key, record in found.items():
            self.carry(key, at.recover(record, same_boot=same_boot))
        self.beat(self.instance)

    def die(self, how: str) -> None:
        """kill -9 takes its processes along, a reboot also what of the journal was not on disk; `lost`: a new disk."""
        if not self.up:
            return
        self.world.seen[how] += 1
        self.up = False
        self.thaw()
        for process in self.running.values():
            process.ended = self.world.now
        self.running.clear()
        if how == "reboot":
            self.journal = self.journal[: self.world.rng.randint(len(self.journal) // 2, len(self.journal))]
        elif how == "lost":
            self.journal = []
            self.lives += 1
        self.world.after(self.world.rng.uniform(0.1, 2 * LEASE), self.start, how == "kill")

    def freeze(self, seconds: float) -> None:
        """The worker stands still; its processes run on."""
        if self.up:
            self.world.seen["freeze"] += 1
            self.world.frozen_until[self.index] = self.world.now + seconds

    def thaw(self) -> None:
        if self.world.frozen_until.get(self.index, 0) > self.world.now:
            self.world.frozen_until[self.index] = self.world.now

    def awake(self, again: Callable[..., None], *args: Any) -> bool:
        """Whether it can act now; if it is frozen, `again` comes when it is not."""
        frozen = self.world.frozen_until.get(self.index, 0) - self.world.now
        if frozen > 0:
            self.world.after(frozen + 0.001, again, *args)
        return self.up and frozen <= 0

    # What it does ---------------------------------------------------------------------------------------------------

    def carry(self, key: Key, step: Step) -> None:
        """Carry out a step, in order; it may die between any two acts."""
        self.records[key] = record = step.record
        for do in step.do:
            if self.world.faulty and self.world.rng.random() < self.world.faults.crash_midway:
                self.die(self.world.rng.choice(("kill", "kill", "reboot")))
            if not self.up:
                return
            match do:
                case Do.JOURNAL:
                    self.journal.append((key, record))
                case Do.FORGET:
                    self.journal.append((key, None))
                    del self.records[key]
                case Do.ASK_START:
                    self.say(self.server.start, key, self.stamp)
                case Do.REPORT:
                    self.say(self.server.result, key, record.result)
                case Do.RELEASE:
                    self.say(self.server.release, key, record.release, record.message)
                case Do.SPAWN:
                    self.spawn(key)
                case Do.KILL:
                    self.kill(key, 0)
                case Do.TERMINATE:
                    self.kill(key, 3.0)
                case Do.RESUME:
                    pass  # the next list names it

    def say(self, act: Callable[..., None], *args: Any) -> None:
        self.world.send(self.index, act, self, self.session, *args)

    def news(self, key: Key, news: at.News) -> None:
        if key in self.records and self.up:
            self.carry(key, at.advance(self.records[key], news))
            self.fill()

    def fill(self) -> None:
        """Ask a start for every free slot."""
        busy = sum(one.state in (State.ASKED, State.RUNNING) for one in self.records.values())
        for key, record in list(self.records.items()):
            if busy >= self.slots or not self.up:
                return
            if record.state is State.JOURNALED:
                busy += 1
                self.carry(key, at.advance(record, at.SlotFree()))

    def spawn(self, key: Key) -> None:
        rng = self.world.rng
        if rng.random() < 0.03:
            self.finished(key, None, Result(Reason.START, message="no such program"))
            return
        process = self.world.spawned(*key, self.index, self.records[key].requeue)
        self.running[key] = process
        code = 0 if rng.random() < 0.6 else rng.choice((1, 3, 75))
        self.world.after(rng.choice((0.05, 0.5, 5.0, 30.0, 40.0)) * rng.random(), self.exits, key, process, code)

    def exits(self, key: Key, process: Process, code: int) -> None:
        if process.ended is None:
            process.exit_code, process.ended = code, self.world.now
            reason = Reason.EXIT if code else None
            self.finished(key, process, Result(reason, exit_code=code))

    def kill(self, key: Key, grace: float) -> None:
        process = self.running.get(key)
        if process is not None:
            grace *= self.world.rng.random()
            self.world.after(grace + self.world.rng.uniform(0, KILL_MAX), self.killed, key, process)

    def killed(self, key: Key, process: Process) -> None:
        if process.ended is None:
            process.ended = self.world.now
            self.finished(key, process, Result(Reason.SIGNAL, signal=9))

    def finished(self, key: Key, process: Process | None, result: Result) -> None:
        if self.running.get(key) is process and self.awake(self.finished, key, process, result):
            self.running.pop(key, None)
            self.news(key, at.Finished(result))

    def beat(self, instance: int) -> None:
        """The heartbeat: a complete list, and once more all that nobody has answered."""
        if instance != self.instance or not self.awake(self.beat, instance):
            return
        self.look_at_deadline(instance)
        for key in list(self.records):
            self.news(key, at.SayAgain())
        if not self.up:
            return
        self.beats += 1
        held = [key for key, one in self.records.items() if one.state in at.HELD]
        released = [(key, one.release, one.message) for key, one in self.records.items() if one.release is not None]
        self.say(self.server.beat, self.stamp, self.slots, self.world.now, held, released)
        self.world.after(HEARTBEAT, self.beat, instance)

    def look_at_deadline(self, instance: int) -> None:
        if instance != self.instance or not self.awake(self.look_at_deadline, instance):
            return
        if self.world.now >= self.deadline:
            for key in list(self.records):
                self.news(key, at.DeadlineOver())

    # What it hears --------------------------------------------------------------------------------------------------

    def hear(self, what: Tell | str, key: Key) -> None:
        """An order, or an answer, about one attempt."""
        if not self.awake(self.hear, what, key):
            return
        match what:
            case Tell.GO:
                self.news(key, at.Go(self.world.now < self.deadline))
            case Tell.STOP:
                self.news(key, at.Stop())
            case Tell.CANCEL:
                self.news(key, at.Cancel())
            case "acknowledged":
                self.news(key, at.Acknowledged())

    def renewed(self, instance: int, sent_at: float) -> None:
        if instance != self.instance or not self.awake(self.renewed, instance, sent_at):
            return
        deadline = own_deadline(sent_at, LEASE, MARGIN)
        if deadline > self.deadline:
            self.deadline = deadline
            self.world.after(max(0.0, deadline - self.world.now), self.look_at_deadline, instance)

    def assigned(self, instance: int, key: Key, requeue: bool) -> None:
        """An assignment comes over the connection of one process, which takes each attempt once."""
        if instance != self.instance or not self.awake(self.assigned, instance, key, requeue) or key in self.known:
            return
        self.known.add(key)
        self.carry(key, at.received(*key, requeue=requeue))
        if self.world.rng.random() < 0.02:
            self.news(key, at.Decline("not here"))
        self.news(key, at.Journaled())

    def hand_back(self) -> None:
        if self.awake(self.hand_back):
            self.world.seen["hand back"] += 1
            for key in list(self.records):
                self.news(key, at.HandBack())
