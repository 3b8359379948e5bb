"""How jobs are shown that came together: each as it would be shown alone."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from cmdexec.model.birth import claimed, queued
from cmdexec.model.events import Claim
from cmdexec.model.job import Attempt, Backoff, Container, Job, Line, OnLost, Reason, Spec, Status
from cmdexec.model.matching import needs_of
from cmdexec.model.waiting import Cause, Why
from cmdexec.server.api.listing import job_row
from cmdexec.server.api.views import job_view, job_views

NOW = 1_764_028_800_000
PLAIN = Spec(command="true")


class Idle:
    """A fleet that is asked, and says of each job what depends on all that an answer may depend on."""

    def __init__(self) -> None:
        self.asked = 0

    async def look(self, jobs: Iterable[Job]) -> None:
        return

    def called(self, worker_id: str) -> str:
        return f"{worker_id}-by-name"

    def __call__(self, job: Job) -> Why | None:
        self.asked += 1
        return Why(Cause.BUSY, needs_of(job.spec), (job.owner,), before=job.rank % 1000)


def born(spec: Spec, number: int, *, owner: str = "owner", now: int = NOW, by: str | None = None) -> Job:
    return queued(
        spec, job_id=f"job-{number}", owner=owner, submit_key=f"key-{number}", body_hash="0" * 64, now=now, age_ms=1000,
        by=by,
    )  # fmt: skip


def ran(job: Job) -> Job:
    return replace(job, attempts=(Attempt(1, "w", "s", NOW),))


def assigned(job: Job) -> Job:
    return claimed(job, Claim("w", "s", "c", "w"), NOW)


OTHERS = {
    "command": replace(PLAIN, command=("echo", "hi")),
    "name": replace(PLAIN, name="a name"),
    "env": replace(PLAIN, env={"A": "1"}),
    "stdin": replace(PLAIN, stdin=b"abc"),
    "timeout": replace(PLAIN, timeout_sec=5.0),
    "kill grace": replace(PLAIN, kill_grace_sec=5.0),
    "part": replace(PLAIN, cpu=1.0, ram_mb=64),
    "labels": replace(PLAIN, requires={"gpu": "*"}),
    "priority": replace(PLAIN, priority=3),
    "retries": replace(PLAIN, max_retries=3, retry_on=("exit",), backoff=Backoff(2.0, 3.0)),
    "lost": replace(PLAIN, on_lost=OnLost.REQUEUE, max_lost=1),
    "later": replace(PLAIN, run_at=NOW + 5000),
    "age": replace(PLAIN, ttl_sec=60.0),
    "tags": replace(PLAIN, tags=("a", "b")),
    "container": replace(PLAIN, container=Container("alpine", "bridge", "never", "1000:1000")),
}


@pytest.mark.parametrize("differs", OTHERS)
def test_jobs_of_one_list_are_shown_as_each_alone(differs: str) -> None:
    specs = [PLAIN, OTHERS[differs], OTHERS[differs], PLAIN, PLAIN]
    jobs = [born(spec, number) for number, spec in enumerate(specs)]
    assert job_views(jobs, Idle()) == tuple(job_view(job, Idle()(job)) for job in jobs)


@pytest.mark.parametrize(
    "other",
    [
        born(PLAIN, 2, owner="another"), born(PLAIN, 2, by="a@example.org"), born(PLAIN, 2, now=NOW + 1),
        replace(born(PLAIN, 2), rerun_of="job-0"), replace(born(PLAIN, 2), cancel_requested=True),
        ran(born(PLAIN, 2)), assigned(born(PLAIN, 2)),
    ],
)  # fmt: skip
def test_jobs_that_stand_otherwise_are_shown_as_each_alone(other: Job) -> None:
    jobs = [born(PLAIN, 1), other, born(PLAIN, 3), other]
    assert job_views(jobs, Idle()) == tuple(job_view(job, Idle()(job)) for job in jobs)


@pytest.mark.parametrize("having", [ran, assigned])
def test_jobs_that_a_worker_has_are_asked_after_one_by_one(having: object) -> None:
    """What they wait for there is their own, and so is their output."""
    assert callable(having)
    fleet, jobs = Idle(), [having(born(PLAIN, 1))] * 3
    job_views(jobs, fleet)
    assert fleet.asked == len(jobs)


def test_why_many_alike_wait_is_worked_out_once() -> None:
    fleet, jobs = Idle(), [born(replace(PLAIN, command=f"echo {number}"), number) for number in range(10)]
    assert [view.command for view in job_views(jobs, fleet)] == [job.spec.command for job in jobs]
    assert fleet.asked == 1


def test_what_is_said_of_an_end_names_workers_as_people_do() -> None:
    runs = (Attempt(1, "w1", "s", NOW, NOW, Reason.LOST), Attempt(2, "w2", "s", NOW, NOW, Reason.WORKER))
    history = (Line(NOW, "lease_over", Status.SCHEDULED, 1, note="worker w1 lost, given up"),)
    job = replace(
        born(PLAIN, 1), status=Status.FAILED, worker_id="w2", attempts=runs, message="worker w2 gave it up",
        history=history,
    )  # fmt: skip
    (view,) = job_views([job], Idle())
    assert view.message == "worker w2-by-name gave it up"
    assert [run.message for run in view.attempts] == [
        "worker w1-by-name lost, given up", "worker w2-by-name gave it up",
    ]  # fmt: skip
    assert [line.note for line in view.history] == ["worker w1-by-name lost, given up"]
    assert job_row(job, Idle()).message == view.message
