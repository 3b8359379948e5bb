"""What must hold when all is quiet: the letters are those of `cmdexec.admin.doctor.rules`, and of the judge of fault
tests where the ledger and what people were answered are needed for it."""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from cmdexec.admin.doctor.seen import see
from cmdexec.admin.doctor.verify import verify
from cmdexec.model.events import HandedBack, Requeue
from cmdexec.model.job import Attempt, Job, OnLost, Reason, Status
from cmdexec.store.contract.engine import Inspection
from cmdexec.store.contract.listing import Filter, PageWanted
from cmdexec.store.sqlite.inspection import inspect_sqlite
from tests.sim.whole.machine import Run, Violation
from tests.sim.whole.plan import SERVERS_OWN
from tests.sim.whole.runtime import runtime_of

_ALL = 1000


class Judge:
    """Looks into the store of a world, beside its server."""

    def __init__(self, world: Any) -> None:
        self._world = world
        folder = world.server.settings.data_dir
        self._store: Inspection = inspect_sqlite(folder, runtime_of(world, "judge", 0.0), check_bytes=0)

    async def close(self) -> None:
        await self._store.close()

    async def quiet(self) -> bool:
        """Whether every job has ended."""
        return all(job.ended for job in await self._jobs())

    async def _jobs(self) -> Sequence[Job]:
        page = await self._store.lists.page(
            PageWanted(Filter(), limit=_ALL, scan=_ALL, newest=0, newest_first=False, after=None)
        )
        ids = [job.job_id for job in page.jobs]
        return [job for job in await self._store.jobs.get(ids) if job is not None]

    async def judge(self) -> None:
        """Raises Violation."""
        jobs = await self._jobs()
        self._each_there_once(jobs)
        for job in jobs:
            self._ended(job)
            self._begun_as_often_as_asked(job)
            for attempt in job.attempts:
                self._result(job, attempt)
        await self._outputs(jobs)
        verified = await verify(self._store)
        for found in verified.found:
            for job_id, sentence in found.told:
                which = [number_of(job) for job in jobs if job.job_id == job_id]
                raise Violation(f"{sentence} ({found.name}: {found.says})", which[0] if which else None)
        if all(fault.kind in SERVERS_OWN for fault in self._world.plan.faults):
            for job in jobs:
                _never_lost(job)
        for worker in self._world.workers:
            self._nothing_left(worker)

    def _each_there_once(self, jobs: Sequence[Job]) -> None:
        stored: dict[int, list[str]] = defaultdict(list)
        for job in jobs:
            stored[number_of(job)].append(job.job_id)
        wanted = {person.job.number: person for person in self._world.people}
        for number, ids in stored.items():
            if number not in wanted:
                raise Violation("nobody submitted it (C2)", number)
            if len(ids) > 1:
                raise Violation(f"it is stored {len(ids)} times (C9)", number)
        for number, person in wanted.items():
            if person.job_id is not None and stored[number] != [person.job_id]:
                raise Violation(f"{person.job_id} was answered, and stored is {stored[number]} (C1)", number)

    def _ended(self, job: Job) -> None:
        number = number_of(job)
        self._world.seen[f"ended {job.status} {job.reason or ''}".strip()] += 1
        self._world.seen.update(f"{line.event} {line.status}" for line in job.history)
        if not job.ended:
            raise Violation(f"still {job.status} long after all faults were over (C12)", number)
        alive = [run.attempt for run in self._world.ledger.of(job.job_id) if not run.ended]
        if alive:
            raise Violation(f"{job.status}, and attempts {alive} of it run", number)
        (person,) = (one for one in self._world.people if one.job.number == number)
        if person.outcome == "cancelled" and job.status is not Status.CANCELLED:
            raise Violation(f"it was said to be cancelled, and is {job.status}", number)
        if job.status is Status.CANCELLED and person.job.cancel_at is None:
            raise Violation("it is cancelled, and nobody wanted that (C11)", number)
        if job.status is Status.COMPLETED:
            run = self._world.ledger.runs.get((job.job_id, job.attempt))
            if run is None or run.exit_code != 0:
                raise Violation(f"completed, and its attempt {job.attempt} did not exit with 0 (C6)", number)

    def _begun_as_often_as_asked(self, job: Job) -> None:
        number = number_of(job)
        runs = self._world.ledger.of(job.job_id)
        once = job.spec.on_lost is OnLost.HOLD and not job.spec.max_retries and number not in self._world.ledger.excused
        if once and len(runs) > 1:
            raise Violation(f"begun {len(runs)} times, and nobody asked for that (C5)", number)
        most = 1 + job.spec.max_retries + (job.spec.max_lost if job.spec.on_lost is OnLost.REQUEUE else 0)
        most += sum(line.event in (HandedBack.name, Requeue.name) for line in job.history)
        if len(runs) > most:
            raise Violation(f"begun {len(runs)} times, and nobody asked for more than {most} (C5)", number)
        known = {attempt.number for attempt in job.attempts}
        for run in runs:
            if run.attempt not in known:
                raise Violation(f"attempt {run.attempt} ran, and the store knows nothing of it (C4)", number)

    def _result(self, job: Job, attempt: Attempt) -> None:
        result, number = attempt.result, number_of(job)
        if result is None or result.reason is Reason.START:
            return
        run: Run | None = self._world.ledger.runs.get((job.job_id, attempt.number))
        if run is None:
            raise Violation(f"a result of attempt {attempt.number}, which never ran (C6)", number)
        if result.reason is Reason.WORKER:  # its worker died with it, and knows no better
            return
        if (result.exit_code, result.signal) != (run.exit_code, run.signal):
            raise Violation(
                f"attempt {attempt.number}: stored is exit code {result.exit_code}, signal {result.signal}, in the "
                f"ledger {run.exit_code} and {run.signal} (C6)", number,
            )  # fmt: skip

    async def _outputs(self, jobs: Sequence[Job]) -> None:
        """Whole streams are the ledger's, byte by byte; of others what is stored is their beginning."""
        for seen in await see(self._store, [job.job_id for job in jobs]):
            for attempt in seen.job.attempts:
                run = self._world.ledger.runs.get((seen.job.job_id, attempt.number))
                for stream, stored in seen.streams.get(attempt.number, {}).items():
                    wrote = bytes(run.wrote[stream]) if run is not None else b""
                    have = await self._store.output.read(seen.job.job_id, attempt.number, stream, 0, stored.bytes + 1)
                    end = getattr(attempt.result, stream) if attempt.result is not None else None
                    whole = end is not None and end.whole
                    self._world.seen["whole" if whole else "not whole"] += 1
                    kept = run is None or run.machine not in self._world.ledger.crashed
                    if not whole and end is not None and attempt.result.reason is not Reason.WORKER and kept:
                        raise Violation(
                            f"{stream} of attempt {attempt.number} is not whole, and its worker saw it to its end (C7)",
                            number_of(seen.job),
                        )
                    if have != wrote[: None if whole else len(have)]:
                        raise Violation(
                            f"{stream} of attempt {attempt.number} was {len(wrote)} bytes, and stored are {len(have)}"
                            f"{', called whole' if whole else ''}: they differ (C7, C8)", number_of(seen.job),
                        )  # fmt: skip

    def _nothing_left(self, worker: Any) -> None:
        built = worker.process.built if worker.process is not None else None
        if built is None:
            raise Violation(f"{worker.name} is not there long after all faults were over")
        if built.attempts.table:
            raise Violation(f"{worker.name} still holds {sorted(built.attempts.table)}")
        if built.spool.memory or built.spool.on_disk:
            raise Violation(f"{worker.name}: {built.spool.memory + built.spool.on_disk} bytes are left in its spool")
        left = os.listdir(worker.settings.data_dir / "spool" / "output")
        if left:
            raise Violation(f"{worker.name}: files are left in its spool: {left}")


def _never_lost(job: Job) -> None:
    """For what is the server's own fault no worker is called lost (promise 8)."""
    if any(line.status is Status.UNKNOWN for line in job.history) or job.reason is Reason.LOST:
        raise Violation("it was given up for lost, and nothing went wrong but the server", number_of(job))


def number_of(job: Job) -> int:
    """The plan's number of it."""
    return int(job.spec.command[1])
