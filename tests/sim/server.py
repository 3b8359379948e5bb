"""A simulated server: the shell around `model.transitions`, with a durable table of jobs and stamps in memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

from cmdexec.model import events as on
from cmdexec.model.attempt import Release
from cmdexec.model.decision import Change, Decision, Refusal, Tell
from cmdexec.model.job import HELD, Job, OnLost, Result, Status
from cmdexec.model.lease import Watch, overdue, turned, watch
from cmdexec.model.transitions import COLUMNS, decide
from tests.sim.worker import Key, Worker
from tests.sim.world import LEASE, LOST_TIMEOUT, Violation, World

RELEASED: dict[Release, Callable[..., Any]] = {
    Release.NEVER_SPAWNED: on.NeverSpawned,
    Release.STARTED_AHEAD: partial(on.NeverSpawned, blameless=True),
    Release.NO_ROOM: partial(on.NeverSpawned, blameless=True),
    Release.HANDED_BACK: on.HandedBack,
    Release.DEAD: on.Dead,
}
GAP = 3.0
NEVER = float("-inf")


class Server:
    """`jobs` and what was there before (`stale`) outlive it; `stamps`, `newest` and `given` do not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs: dict[str, Job] = {}
        self.stale: dict[str, Job] = {}
        self.workers: dict[str, Worker] = {}
        self.up = False
        self.boot()
        world.after(0.5, self.turn)

    def boot(self) -> None:
        self.up = True
        self.watch: Watch = watch(self.world.now, LEASE)
        self.stamps: dict[str, float] = {}
        self.newest: dict[str, tuple[int, int]] = {}
        self.given: dict[Key, tuple[int, int]] = {}

    def die(self) -> None:
        if self.up:
            self.world.seen["server died"] += 1
            self.up = False
            self.world.epoch += 1
            self.world.after(self.world.rng.uniform(0.1, 3 * LEASE), self.boot)

    # Changing jobs --------------------------------------------------------------------------------------------------

    def happens(self, job_id: str, event: on.Event) -> Decision:
        """Read, decide, write if nobody else wrote meanwhile, or read again."""
        job = self.jobs[job_id]
        if self.world.faulty and self.world.rng.random() < self.world.faults.stale_read:
            job = self.stale.get(job_id, job)
        jitter, now = self.world.rng.random(), int(self.world.now * 1000)
        while True:
            decision = decide(job, event, now, jitter)
            self.world.seen[f"{type(event).__name__} {COLUMNS[job.status]}"] += 1
            change = decision if isinstance(decision, Change) else None
            if isinstance(decision, Refusal):
                change = decision.also
            if change is None:
                return decision
            if self.write(job_id, change):
                self.world.seen["taken back"] += change.job.lost_used < job.lost_used
                return decision
            self.world.seen["conflict"] += 1
            job = self.jobs[job_id]

    def write(self, job_id: str, change: Change) -> bool:
        before, after = self.jobs[job_id], change.job
        if before.rev != change.rev:
            return False
        if before.ended and (before.status, before.attempts) != (after.status, after.attempts):
            raise Violation(f"{job_id}: changed after its end")
        if before.cancel_requested and not after.ended and after.status is not Status.RUNNING:
            raise Violation(f"{job_id}: {after.status} again although it was cancelled")
        if after.confirmed and before.confirmed is not True and job_id not in self.world.excused:
            alive = self.world.alive(job_id)
            if alive:
                raise Violation(f"{job_id}: said that nothing runs, but attempt {alive[0].attempt} does")
        self.stale[job_id], self.jobs[job_id] = before, after
        return True

    # What workers say -----------------------------------------------------------------------------------------------

    def beat(
        self, worker: Worker, session: str, stamp: tuple[int, int], slots: int, sent_at: float,
        held: list[Key], released: list[tuple[Key, Release, str | None]],
    ) -> None:  # fmt: skip
        """The lease is renewed; what is released is let go, what is held resumed, and what a list lacks noted."""
        if not self.up or stamp < self.newest.get(session, stamp):
            return
        self.newest[session] = stamp
        self.stamps[session] = self.world.now
        self.workers[session] = worker
        self.world.send(worker.index, worker.renewed, stamp[0], sent_at)
        for key, why, _ in released:
            self.release(worker, session, key, why, None)
        for key in held:
            decision = self.happens(key[0], on.Resume(worker.name, session, key[1]))
            self.answer(worker, key, decision)
        named = {*held, *(key for key, _, _ in released)}
        for job in list(self.jobs.values()):
            key = (job.job_id, job.attempt)
            if (
                job.session == session
                and job.status in HELD
                and key not in named
                and stamp > self.given.get(key, (0, 0))
            ):
                self.happens(job.job_id, on.Missing(worker.name, session, job.attempt))
        self.dispatch(worker, session, slots)

    def start(self, worker: Worker, session: str, key: Key, stamp: tuple[int, int]) -> None:
        if self.up:
            decision = self.happens(key[0], on.Start(worker.name, session, key[1]))
            if decision.tell is Tell.GO:
                self.given[key] = max(stamp, self.given.get(key, stamp))
            self.answer(worker, key, decision)

    def result(self, worker: Worker, session: str, key: Key, result: Result) -> None:
        if self.up:
            self.happens(key[0], on.Ended(worker.name, session, key[1], result))
            self.world.send(worker.index, worker.hear, "acknowledged", key)

    def release(self, worker: Worker, session: str, key: Key, why: Release, _message: str | None) -> None:
        if not self.up:
            return
        who = (worker.name, session, key[1])
        if why is Release.DECLINED:
            others = {one.name for one in self.workers.values()} - {worker.name, *self.jobs[key[0]].avoid}
            self.happens(key[0], on.Declined(*who, "not here", others_match=bool(others)))
        else:
            self.happens(key[0], RELEASED[why](*who))
        self.world.send(worker.index, worker.hear, "acknowledged", key)

    def answer(self, worker: Worker, key: Key, decision: Decision) -> None:
        if decision.tell in (Tell.GO, Tell.STOP, Tell.CANCEL):
            self.world.send(worker.index, worker.hear, decision.tell, key)

    def dispatch(self, worker: Worker, session: str, slots: int) -> None:
        """Fill slots and a short prefetch with the jobs of the lowest rank."""
        room = slots + 1 - sum(job.session == session and job.status in HELD for job in self.jobs.values())
        waiting = [job for job in self.jobs.values() if job.status is Status.QUEUED and worker.name not in job.avoid]
        for job in sorted(waiting, key=lambda one: one.rank)[: max(0, room)]:
            decision = self.happens(job.job_id, on.Claim(worker.name, session, "c"))
            if isinstance(decision, Change):
                key = (job.job_id, decision.job.attempt)
                self.given[key] = self.newest[session]
                requeue = decision.job.spec.on_lost is OnLost.REQUEUE
                self.world.send(worker.index, worker.assigned, self.newest[session][0], key, requeue)

    # What it does by itself, and for people -------------------------------------------------------------------------

    def turn(self) -> None:
        """The loop of leases and times."""
        self.world.after(0.5, self.turn)
        if not self.up:
            return
        now = self.world.now
        self.watch = turned(self.watch, now, now, LEASE, GAP)
        stamps = {job.session: self.stamps.get(job.session, NEVER) for job in self.jobs.values() if job.session}
        over = set(overdue(stamps, now, LEASE, self.watch))
        for job in list(self.jobs.values()):
            if job.status in (Status.ASSIGNED, Status.RUNNING) and job.session in over:
                self.causes(job, on.LeaseOver(job.session or ""))
            elif job.status is Status.UNKNOWN and now * 1000 - (job.unknown_at or 0) > LOST_TIMEOUT * 1000:
                self.causes(job, on.LostTimeout())
            elif job.status is Status.SCHEDULED and (job.due_at or 0) <= now * 1000:
                self.happens(job.job_id, on.Due())
            elif job.status is Status.ASSIGNED and self.world.faulty and self.world.rng.random() < 0.02:
                self.causes(job, on.Recall())

    def causes(self, job: Job, event: on.Event) -> None:
        """What happens to a job without its holder, who is told of it."""
        decision = self.happens(job.job_id, event)
        worker = self.workers.get(job.session or "")
        if worker is not None and decision.tell in (Tell.STOP, Tell.CANCEL):
            self.world.send(worker.index, worker.hear, decision.tell, (job.job_id, job.attempt))

    def cancel(self, job_id: str) -> None:
        if self.up and job_id in self.jobs:
            self.causes(self.jobs[job_id], on.Cancel("ann"))

    def requeue(self, job_id: str) -> None:
        """A person who accepts that the job may run twice."""
        if self.up and job_id in self.jobs and self.jobs[job_id].status is Status.UNKNOWN:
            self.world.excused.add(job_id)
            self.causes(self.jobs[job_id], on.Requeue("ann", accept_duplicate=True))
