"""The shell around `decide`: read, decide, write on the revision that was read, tell whom it concerns.

A conflict is read and decided again, five times. The jobs that workers hold are kept in a memory, as a hint only:
a change is written on the revision that it was decided on, and what changes nothing is looked up before it is answered.
"""

import asyncio
from collections.abc import Iterable, Sequence

from cmdexec.model.batch import Batch
from cmdexec.model.decision import Change, NoChange, Refusal, Tell
from cmdexec.model.events import FromWorker, Start
from cmdexec.model.job import Job, Status
from cmdexec.model.transitions import decide
from cmdexec.notify.contract import JobsChanged, JobsComing, JobsWaiting, Notify, OutputGrew, TellWorker
from cmdexec.runtime import Runtime
from cmdexec.server.jobs.ask import CROWDED, Ask, Judged, Outcome
from cmdexec.server.jobs.measure import StoredOutput
from cmdexec.server.jobs.memory import Memory
from cmdexec.store.contract.jobs_write import Applied, InlineOutput, JobWrite, JobWrites, NotWritten
from cmdexec.store.contract.reads import JobReads

_GOLDEN = 0.618033988749895
"""Multiples of it, modulo 1, are spread evenly: one random number gives each event of a turn a jitter of its own."""

RETRIES = 5
"""How often a conflict is decided again (promises, "Writing")."""


class Shell:
    """Carries events out. Used by the files of this package alone."""

    def __init__(
        self, *, reads: JobReads, writes: JobWrites, notify: Notify, runtime: Runtime, stored: StoredOutput,
        memory: Memory,
    ) -> None:  # fmt: skip
        self.reads = reads
        self.writes = writes
        self.notify = notify
        self.runtime = runtime
        self.stored = stored
        self.memory = memory
        self._foreseen: dict[str, asyncio.Future[None]] = {}

    def foresee(self, jobs: Sequence[Job], over: "asyncio.Future[None]") -> None:
        """A claim, which is `over` some time, is about to give these; what is stored does not show it yet."""
        self._foreseen.update(dict.fromkeys([job.job_id for job in jobs], over))
        self.memory.remember(jobs)

    def came_about(self, jobs: Sequence[Job], over: "asyncio.Future[None]") -> None:
        """That claim has come about, or to nothing: the store shows how these stand, but for what another claim, whose
        turn came meanwhile, is about to do."""
        if not over.done():
            over.set_result(None)
        for job in jobs:
            if self._foreseen.get(job.job_id) is over:
                del self._foreseen[job.job_id]

    async def look_up(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs as they are stored, once that is certain. Else a worker that was just told of a job would be refused
        its start, for a claim that the store does not show yet."""
        for job_id in job_ids:
            while (over := self._foreseen.get(job_id)) is not None:
                await asyncio.shield(over)
        return await self.reads.get(job_ids)

    async def turn(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Carry out events, those of one job in their order, with one write. Outcomes in the order asked.

        Raises Unavailable if the store cannot be reached: then what was written is not known, and the same may be
        asked again.
        """
        outcomes: list[Outcome] = [_CROWDED] * len(asks)
        pending: Sequence[int] = range(len(asks))
        sure: dict[str, Job | None] = {}
        for _ in range(1 + RETRIES):
            if not pending:
                break
            round_ = _Round(self, asks, outcomes)
            await round_.read(pending, sure)
            round_.decide(pending, sure)
            pending = await round_.write(sure)
        return outcomes

    def coming(self, new: Batch) -> None:
        """Say that these are about to be stored."""
        waiting = _waiting(job for job, _ in new.kinds)
        if waiting:
            self.notify.publish(JobsComing(waiting, new.job_ids[0]))

    def came(self, new: Batch) -> None:
        """Say that these were stored."""
        self.notify.publish(JobsChanged(new.job_ids, new))
        waiting = _waiting(job for job, _ in new.kinds)
        if waiting:
            self.notify.publish(JobsWaiting(waiting, new.job_ids[0]))

    def changed(self, jobs: Sequence[Job]) -> None:
        """Say that these were written."""
        if not jobs:
            return
        newest = {job.job_id: job for job in jobs}
        self.notify.publish(JobsChanged(tuple(newest), tuple(newest.values())))
        waiting = _waiting(jobs)
        if waiting:
            self.notify.publish(JobsWaiting(waiting))


class _Step:
    """One write that is about to be made, and the ask that it belongs to."""

    __slots__ = ("ask", "before", "change", "write")

    def __init__(self, ask: int, before: Job, change: Change, write: JobWrite) -> None:
        self.ask = ask
        self.before = before
        self.change = change
        self.write = write


class _Round:
    """Read, decide and write once. `sure`: jobs that are known to stand so in the store, by id."""

    def __init__(self, shell: Shell, asks: Sequence[Ask], outcomes: list[Outcome]) -> None:
        self._shell = shell
        self._asks = asks
        self._outcomes = outcomes
        self._steps: list[_Step] = []
        self._answered: dict[str, list[int]] = {}
        self._again: list[int] = []
        self._change_id = ""
        self._jitter = 0.0

    async def read(self, pending: Sequence[int], sure: dict[str, Job | None]) -> None:
        """Look up what is not known at all."""
        shell = self._shell
        missing = {
            job_id: None
            for job_id in (self._asks[index].job_id for index in pending)
            if job_id not in sure and shell.memory.recall(job_id) is None
        }
        if missing:
            jobs = await shell.look_up(tuple(missing))
            sure.update(zip(missing, jobs, strict=True))
            shell.memory.remember(job for job in jobs if job is not None)

    def decide(self, pending: Sequence[int], sure: dict[str, Job | None]) -> None:
        """Decide each on what is known; what would change nothing, on what is only believed, has to be looked up."""
        current: dict[str, Job | None] = {}
        doubtful: set[str] = set()
        runtime = self._shell.runtime
        now = runtime.clock.now()
        self._change_id = runtime.ids.new()
        self._jitter = runtime.rng.random()
        for index in pending:
            ask = self._asks[index]
            job_id = ask.job_id
            if job_id in doubtful:
                self._again.append(index)
                continue
            if job_id in current:
                job = current[job_id]
            else:
                job = sure[job_id] if job_id in sure else self._shell.memory.recall(job_id)
            if job is None and job_id not in sure:
                doubtful.add(job_id)  # it fell out of the memory since it was looked for
                self._again.append(index)
                continue
            written = len(self._steps)
            after = self._decide_one(index, ask, job, now)
            if len(self._steps) == written and job_id not in sure and job_id not in current:
                doubtful.add(job_id)
                self._again.append(index)
                self._shell.memory.forget((job_id,))
                continue
            current[job_id] = after
            self._answered.setdefault(job_id, []).append(index)

    def _decide_one(self, index: int, ask: Ask, job: Job | None, now: int) -> Job | None:
        if job is None:
            self._outcomes[index] = Outcome(None, None)
            return None
        judged = _plain(ask) if ask.judge is None else ask.judge.against(job)
        outcome = Outcome(job, NoChange(job))
        jitter = (self._jitter + index * _GOLDEN) % 1.0
        last = judged.events[-1]
        for event in judged.events:
            decision = decide(job, event, now, jitter)
            outcome = Outcome(job, decision, judged.resend)
            change = decision.also if isinstance(decision, Refusal) else decision
            if isinstance(change, Change):
                meant = event is last and change is decision
                append = judged.append if meant else ()
                attempt = event.attempt if append and isinstance(event, FromWorker) else None
                change_id = f"{self._change_id}.{len(self._steps)}"
                write = JobWrite(
                    change.job, change.rev, change_id, change.opens, attempt, append, change.closes,
                    judged.measured if meant else None,
                )  # fmt: skip
                self._steps.append(_Step(index, job, change, write))
                job = change.job
            if isinstance(decision, Refusal):
                break
        self._outcomes[index] = outcome
        return job

    async def write(self, sure: dict[str, Job | None]) -> list[int]:
        """Write all of it; what has to be decided again, in order."""
        steps = self._steps
        if not steps:
            return self._again
        try:
            results = await self._shell.writes.apply([step.write for step in steps])
        except BaseException:
            self._shell.memory.forget(step.before.job_id for step in steps)
            raise
        written: list[_Step] = []
        conflicted: set[str] = set()
        for step, result in zip(steps, results, strict=True):
            if isinstance(result, Applied):
                written.append(step)
                sure[result.job.job_id] = result.job
            elif step.before.job_id not in conflicted:
                conflicted.add(step.before.job_id)
                self._conflict(step, result, sure)
        self._tell(written)
        return sorted(self._again)

    def _conflict(self, step: _Step, result: NotWritten, sure: dict[str, Job | None]) -> None:
        """It was decided on what is not so any more: it and what was decided after it are decided again, if all is
        known that is needed for that; else the worker asks again, and the output is measured before."""
        shell, job_id = self._shell, step.before.job_id
        sure[job_id] = result.current
        shell.memory.forget((job_id,))
        undone = [index for index in self._answered[job_id] if index >= step.ask]
        for index in undone:
            self._outcomes[index] = _CROWDED
        attempt = step.write.closes
        if result.output is not None and attempt is not None:
            if not shell.stored.agrees(job_id, attempt, *result.output):
                return
        self._again.extend(undone)

    def _tell(self, written: Sequence[_Step]) -> None:
        """Say what was written, output first: who follows a job gets the last of it before the end."""
        shell = self._shell
        for step in written:
            write = step.write
            if write.opens is not None and write.opens != write.closes:
                fresh = isinstance(self._asks[step.ask].event, Start)
                if fresh:
                    shell.stored.opened(write.job.job_id, write.opens)
            for piece in write.append:
                _publish_output(shell.notify, write.job.job_id, step.write.append_to or 0, piece)
            if write.closes is not None:
                shell.stored.closed(write.job.job_id, write.closes)
        last = {step.change.job.job_id: step.change.job for step in written}
        shell.memory.remember(last.values())
        shell.changed(tuple(last.values()))
        for step in written:
            event = self._asks[step.ask].event
            if step.change.tell in _ORDERS and event is not None and not isinstance(event, FromWorker):
                tell_holder(shell.notify, step.before, step.change.tell)


_ORDERS = frozenset({Tell.STOP, Tell.CANCEL})
_CROWDED = Outcome(None, CROWDED)


def _waiting(jobs: Iterable[Job]) -> tuple[str, ...]:
    """The classes of those that may be claimed."""
    return tuple({job.klass for job in jobs if job.status is Status.QUEUED})


def _plain(ask: Ask) -> Judged:
    if ask.event is None:
        raise ValueError("an ask needs an event or a judge")
    return Judged((ask.event,))


def _publish_output(notify: Notify, job_id: str, attempt: int, piece: InlineOutput) -> None:
    end = piece.offset + len(piece.data)
    notify.publish(OutputGrew(job_id, attempt, piece.stream, end, piece.data))


def tell_holder(notify: Notify, job: Job, tell: Tell | None) -> None:
    """Tell the worker that holds the newest attempt of `job` what to do with it."""
    if job.worker_id is not None and job.attempt and tell in _ORDERS:
        notify.publish(TellWorker(job.worker_id, str(tell), ((job.job_id, job.attempt),)))
