"""Each rule of `doctor --verify` finds what breaks it, and nothing else."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from cmdexec.admin.doctor.rules import RULES, counted
from cmdexec.admin.doctor.seen import Seen, Stored
from cmdexec.model.events import Claim, Ended, Start
from cmdexec.model.job import Job, Line, Reason, Result, Status, StreamEnd
from cmdexec.model.transitions import Change, decide
from cmdexec.store.contract.output import OutputRow
from tests.contract.making import NOW, job

SAID = b"hi\n"


def after(one: Job, *events: Any) -> Job:
    """The job after these events."""
    for event in events:
        decision = decide(one, event, NOW, 0.5)
        assert isinstance(decision, Change), decision
        one = decision.job
    return one


RUNNING = after(job(1), Claim("w1", "s1", "c1", ""), Start("w1", "s1", 1))
RESULT = Result(
    exit_code=7, reason=Reason.EXIT, stdout=StreamEnd(3, sha256(SAID).hexdigest(), True), stderr=StreamEnd(0)
)
FAILED = after(RUNNING, Ended("w1", "s1", 1, RESULT))
COMPLETED = after(RUNNING, Ended("w1", "s1", 1, replace(RESULT, exit_code=0, reason=None)))


def seen(one: Job, said: bytes = SAID, counts: int = 3, **more: Any) -> Seen:
    """That job with this as its stdout."""
    fields = {"open": not one.ended, **more}
    row = OutputRow(one.job_id, 1, "s1", stdout=counts, stderr=0, **fields)
    streams = {"stdout": Stored(len(said), sha256(said).hexdigest()), "stderr": Stored(0, sha256().hexdigest())}
    return Seen(one, {1: row}, {1: streams})


def broken(one: Seen) -> set[str]:
    """The rules that it breaks."""
    return {rule.name for rule in RULES if list(rule.look(one))}


@pytest.mark.parametrize("one", [RUNNING, FAILED, COMPLETED], ids=lambda one: one.status)
def test_what_the_model_makes_breaks_none(one: Job) -> None:
    assert broken(seen(one)) == set()
    assert broken(Seen(job(2), {}, {})) == set()


def begun_again(one: Job) -> Job:
    """As if a second attempt had begun beside the first."""
    (first,) = one.attempts
    lines = Line(NOW, "claim", Status.ASSIGNED, 2, "w2"), Line(NOW, "start", Status.RUNNING, 2, "w2")
    return replace(one, attempt=2, attempts=(first, replace(first, number=2)), history=(*one.history, *lines))


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        (lambda: replace(FAILED, history=(*FAILED.history, Line(NOW, "start", Status.RUNNING, 1))), {"C3"}),
        (
            lambda: replace(FAILED, history=(*FAILED.history, Line(NOW, "x", Status.COMPLETED), FAILED.history[-1])),
            {"C3"},
        ),
        (lambda: replace(FAILED, finished_at=None), {"C3"}),
        (lambda: replace(FAILED, history=(*FAILED.history[:2], FAILED.history[1], *FAILED.history[2:])), {"C4"}),
        (lambda: replace(FAILED, history=(FAILED.history[0], *FAILED.history[2:])), {"C4"}),
        (lambda: replace(RUNNING, attempt=0), {"C4", "C5", "C11"}),
        (lambda: replace(RUNNING, worker_id=None), {"C5"}),
        (lambda: replace(RUNNING, attempts=()), {"C5"}),
        (lambda: replace(FAILED, exit_code=8), {"C6"}),
        (lambda: replace(FAILED, reason=Reason.OOM), {"C6"}),
        (lambda: replace(COMPLETED, attempts=FAILED.attempts), {"C6"}),
    ],
)
def test_a_job_that_cannot_have_come_about_is_found(spoil: Callable[[], Job], rules: set[str]) -> None:
    assert broken(seen(spoil())) == rules


def test_two_attempts_at_once_are_found() -> None:
    both = begun_again(RUNNING)
    found = seen(both)
    twice = Seen(both, {**found.rows, 2: replace(found.rows[1], attempt=2)}, {**found.streams, 2: found.streams[1]})
    assert broken(twice) == {"C5", "C11"}


@pytest.mark.parametrize(
    ("said", "more", "rules"),
    [
        (b"", {}, {"C7", "C8"}),
        (b"hi\nhi\n", {}, {"C7", "C8"}),
        (b"ho\n", {}, {"C8"}),
        (b"", {"counts": 0}, {"C8"}),
        (SAID, {"open": True}, {"C11"}),
    ],
    ids=["gone", "twice", "other bytes", "never stored", "still taken"],
)
def test_output_that_is_not_what_was_written_is_found(said: bytes, more: dict[str, Any], rules: set[str]) -> None:
    assert broken(seen(FAILED, said, **more)) == rules


def test_an_attempt_without_a_place_for_its_output_is_found() -> None:
    assert broken(Seen(RUNNING, {}, {})) == {"C7"}


@pytest.mark.parametrize(
    ("found", "wrong"),
    [({Status.QUEUED: 3, Status.FAILED: 1}, 0), ({Status.QUEUED: 2, Status.FAILED: 2}, 0), ({Status.FAILED: 1}, 1),
     ({Status.QUEUED: 5, Status.FAILED: 1}, 1), ({Status.QUEUED: 4}, 1)],
)  # fmt: skip
def test_jobs_may_come_and_end_while_they_are_counted_but_none_may_go(found: dict[Status, int], wrong: int) -> None:
    before, after_it = {Status.QUEUED: 3, Status.FAILED: 1}, {Status.QUEUED: 3, Status.FAILED: 2}
    assert len(list(counted(before, found, after_it))) == wrong
