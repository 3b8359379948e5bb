"""Jobs, claims and changes for tests of the store; made by the model itself, never by hand."""

from collections.abc import Sequence
from typing import Any

import msgspec

from cmdexec.model.birth import claimed, queued
from cmdexec.model.events import Claim
from cmdexec.model.job import Attempt, Job, Spec, Status
from cmdexec.store.contract.jobs_write import Applied, Inserted, JobWrite, Wanted
from cmdexec.store.contract.workers import WorkerRow
from tests.contract.engines import Store

NOW = 1_764_028_800_000


def job(number: int, **fields: Any) -> Job:
    """The queued job of that number: its id, key and rank follow from the number. `fields` replace what they name."""
    born = queued(
        Spec(command=("true",)),
        job_id=f"01936f0e-0000-7000-8000-{number:012x}",
        owner="owner",
        submit_key=f"key-{number}",
        body_hash="hash",
        now=NOW + number,
        age_ms=1000,
    )
    return msgspec.structs.replace(born, **fields)


def jobs(count: int, first: int = 0, **fields: Any) -> list[Job]:
    return [job(number, **fields) for number in range(first, first + count)]


def wanted(
    claim_id: str, limit: int = 100, klasses: Sequence[str] = ("",), worker_id: str = "w1", session: str = "s1",
    most: int = 1 << 20, known_as: str = "",
) -> Wanted:  # fmt: skip
    return Wanted(Claim(worker_id, session, claim_id, known_as), tuple(klasses), limit, NOW, most)


def as_claimed(before: Job, asked: Wanted) -> Job:
    """What the contract says a claim leaves behind."""
    return claimed(before, asked.claim, asked.now)


def running(before: Job) -> Job:
    """The job after its start was granted."""
    run = Attempt(before.attempt, before.worker_id or "", before.session or "", NOW)
    return changed(before, status=Status.RUNNING, started_at=NOW, attempts=(*before.attempts, run))


def changed(before: Job, **fields: Any) -> Job:
    """The job after some change: its `rev` one higher."""
    return msgspec.structs.replace(before, rev=before.rev + 1, **fields)


def write(before: Job, after: Job, change_id: str, **more: Any) -> JobWrite:
    """The write of a change decided on `before`."""
    return JobWrite(after, before.rev, change_id, **more)


async def inserted(store: Store, *new: Job) -> None:
    """They are stored."""
    assert isinstance(await store.jobs_write.insert(new), Inserted)


async def started(store: Store, number: int = 0) -> Job:
    """A stored job that runs as attempt 1 of w1 in session s1, its output row open."""
    await inserted(store, job(number))
    (mine,) = await store.jobs_write.claim(wanted(f"claim-{number}"))
    go = running(mine)
    (outcome,) = await store.jobs_write.apply([write(mine, go, f"start-{number}", opens=go.attempt)])
    assert isinstance(outcome, Applied)
    return go


def worker(worker_id: str = "w1", **fields: Any) -> WorkerRow:
    row = WorkerRow(
        worker_id=worker_id,
        name="a machine",
        session="s1",
        instance_id="i1",
        version="0.1",
        protocol="v1",
        platform="linux",
        slots=4,
        labels={"gpu": "no"},
        registered_at=NOW,
    )
    return msgspec.structs.replace(row, **fields)
