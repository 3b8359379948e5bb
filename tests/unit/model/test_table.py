"""Every cell of the table of what can happen to a job, and the two rules before it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cmdexec.model import events as on
from cmdexec.model.decision import Change, Decision, NoChange, Refusal, Tell
from cmdexec.model.document import transitions_page
from cmdexec.model.job import Attempt, Job, Line, Reason, Status
from cmdexec.model.transitions import TABLE, decide
from tests.support.each import over
from tests.unit.model.cells import CELLS, Becomes, No, Stays
from tests.unit.model.states import BAD, EVENTS, GOOD, KILLED, NOW, STATES, N, S, W, column, job, run

JITTER = 0.5
CASES = [(event, state, outcome) for event, states in CELLS.items() for state, outcome in states.items()]
FROM_WORKER = {name: event for name, event in EVENTS.items() if isinstance(event, on.FromWorker)}


def differences(before: Job, after: Job) -> dict[str, Any]:
    """The fields that a change set to something else; `rev` and `history` are looked at on their own."""
    was, now = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    return {name: now[name] for name in was if name not in ("rev", "history") and was[name] != now[name]}


def assert_written(before: Job, change: Change, called: str, about: int) -> Line:
    """It is decided on the job's `rev`, raises it by one, and adds one line to the history."""
    assert change.rev == before.rev
    assert change.job.rev == before.rev + 1
    assert change.job.history[:-1] == before.history
    line = change.job.history[-1]
    assert (line.at, line.event, line.status, line.attempt) == (NOW, called, change.job.status, about)
    return line


@over({f"{event} | {state}": (event, state, outcome) for event, state, outcome in CASES})
def test_cell(event: str, state: str, outcome: Becomes | Stays | No) -> None:
    before = STATES[state]
    decision = decide(before, EVENTS[event], NOW, JITTER)
    match outcome:
        case Becomes():
            assert isinstance(decision, Change)
            expected = dict(outcome.fields)
            if outcome.status is not before.status:
                expected["status"] = outcome.status
            assert differences(before, decision.job) == expected
            assert (decision.tell, decision.opens, decision.closes) == (outcome.tell, outcome.opens, outcome.closes)
            assert_written(before, decision, EVENTS[event].name, decision.job.attempt)
        case Stays():
            assert decision == NoChange(before, outcome.tell)
        case No():
            assert isinstance(decision, Refusal)
            assert (decision.code, decision.tell) == (outcome.code, outcome.tell)
            assert decision.expected["status"] == str(before.status)
            assert (decision.also is not None) == outcome.kept
            if decision.also is not None:
                assert differences(before, decision.also.job) == outcome.also
                assert_written(before, decision.also, "superseded", N)


def test_every_cell_of_the_table_has_an_expectation() -> None:
    """Whoever adds a row, or a column, has to say here what it does."""
    wanted = {(kind, place) for kind in TABLE for place in ("waiting", "assigned", "running", "unknown", "ended")}
    assert {(type(EVENTS[event]), column(state)) for event, state, _ in CASES} == wanted


def test_every_event_has_a_row() -> None:
    kinds = {kind for kind in vars(on).values() if isinstance(kind, type) and issubclass(kind, on.Event)}
    assert kinds - {on.Event, on.OfWorker, on.FromWorker} == set(TABLE)


def test_the_documentation_is_what_the_table_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "transitions.md"
    assert page.read_text("utf-8") == transitions_page(), (
        "docs/transitions.md is not what the table says. Make it again:\n"
        "    python -m cmdexec.model.document > docs/transitions.md"
    )


# The first rule before the table -------------------------------------------------------------------------------------

HAS_RESULT = {name: state for name, state in STATES.items() if state.attempts and state.attempts[-1].result is not None}


def moved_on(before: Job) -> Job:
    """The same job with a second attempt that another worker holds."""
    return msgspec.structs.replace(
        before, status=Status.RUNNING, attempt=2, worker_id="w2", session="s2",
        attempts=(*before.attempts, Attempt(2, "w2", "s2", NOW - 1000)),
    )  # fmt: skip


@pytest.mark.parametrize("before", [*HAS_RESULT.values(), moved_on(STATES["retried"])])
def test_the_same_result_again_gets_the_stored_answer_in_every_column(before: Job) -> None:
    stored = before.attempts[0].result
    assert stored is not None
    assert decide(before, on.Ended(W, S, N, stored), NOW, JITTER) == NoChange(before, Tell.OK)


@pytest.mark.parametrize("before", [*HAS_RESULT.values(), moved_on(STATES["retried"])])
def test_another_result_for_the_same_attempt_is_refused_and_kept(before: Job) -> None:
    another = msgspec.structs.replace(KILLED, cpu_sec=1.0)
    decision = decide(before, on.Ended(W, S, N, another), NOW, JITTER)
    assert isinstance(decision, Refusal)
    assert (decision.code, decision.tell) == ("conflict", Tell.DROP)
    assert decision.also is not None
    assert differences(before, decision.also.job) == {}
    assert assert_written(before, decision.also, "superseded", N).note == "result: ended by SIGTERM"


# The second ----------------------------------------------------------------------------------------------------------

HELD = [state for state in STATES.values() if state.attempt]


def assert_stale(decision: Decision, before: Job, event: on.FromWorker) -> None:
    assert isinstance(decision, Refusal)
    assert decision.code == "stale_attempt"
    assert decision.expected == {"status": str(before.status), "attempt": before.attempt}
    assert decision.tell is (Tell.DROP if isinstance(event, on.Ended) else Tell.STOP)
    kept = isinstance(event, on.Ended | on.Resume)
    assert (decision.also is not None) == kept
    if decision.also is not None:
        assert differences(before, decision.also.job) == {}
        assert assert_written(before, decision.also, "superseded", N).who == event.worker_id


@pytest.mark.parametrize("event", FROM_WORKER.values(), ids=FROM_WORKER)
def test_a_message_about_an_earlier_attempt_is_stale_in_every_column(event: on.FromWorker) -> None:
    for state in HELD:
        before = msgspec.structs.replace(state, attempt=2, attempts=())
        assert_stale(decide(before, event, NOW, JITTER), before, event)


@pytest.mark.parametrize("event", FROM_WORKER.values(), ids=FROM_WORKER)
def test_a_message_of_another_session_is_stale_in_every_column(event: on.FromWorker) -> None:
    foreign = msgspec.structs.replace(event, session="s9")
    for before in HELD:
        stored = before.attempts[-1].result if before.attempts else None
        if isinstance(event, on.Ended) and stored is not None:
            continue  # the first rule answers
        assert_stale(decide(before, foreign, NOW, JITTER), before, event)


@pytest.mark.parametrize("event", FROM_WORKER.values(), ids=FROM_WORKER)
def test_a_job_that_nobody_ever_had_hears_no_worker(event: on.FromWorker) -> None:
    before = STATES["queued"]
    for number in (0, 1):
        decision = decide(before, msgspec.structs.replace(event, attempt=number), NOW, JITTER)
        assert isinstance(decision, Refusal)
        assert (decision.code, decision.also) == ("stale_attempt", None)


def test_what_is_refused_is_kept_once_for_each_attempt_however_often_it_comes() -> None:
    before = job(Status.RUNNING, attempt=3, worker_id="w3", session="s3")
    for result in (GOOD, BAD, KILLED):
        for number in (1, 2):
            decision = decide(before, on.Ended(W, S, number, result), NOW, JITTER)
            assert isinstance(decision, Refusal)
            before = decision.also.job if decision.also else before
    assert [(line.attempt, line.note) for line in before.history[1:]] == [
        (1, "result: exit code 0"),
        (2, "result: exit code 0"),
    ]


@pytest.mark.parametrize("reason", [Reason.LOST, Reason.REJECTED, Reason.EXPIRED, Reason.DEPENDENCY])
@pytest.mark.parametrize("state", ["assigned", "running", "unknown", "lost"])
def test_a_worker_cannot_end_an_attempt_for_a_reason_that_is_the_servers(state: str, reason: Reason) -> None:
    decision = decide(STATES[state], on.Ended(W, S, N, msgspec.structs.replace(BAD, reason=reason)), NOW, JITTER)
    assert isinstance(decision, Refusal)
    assert decision.code == "invalid_field"


def test_a_cancel_that_leaves_processes_alive_is_not_confirmed_until_the_worker_says_so() -> None:
    left = msgspec.structs.replace(KILLED, left=1, survivors=("pid 7 (sh)",))
    asked = STATES["running, cancel asked"]
    decision = decide(asked, on.Ended(W, S, N, left), NOW, JITTER)
    assert isinstance(decision, Change)
    assert (decision.job.status, decision.job.confirmed) == (Status.CANCELLED, False)
    assert decision.job.message == "cancelled by ann; 1 of its processes could not be killed (pid 7 (sh))"
    confirmed = decide(decision.job, on.Dead(W, S, N), NOW, JITTER)
    assert isinstance(confirmed, Change)
    assert confirmed.job.confirmed is True
    still = decide(STATES["cancelled, not confirmed"], on.Ended(W, S, N, left), NOW, JITTER)
    assert isinstance(still, Refusal)
    assert still.also is not None
    assert still.also.job.confirmed is False


def test_a_requeue_by_a_person_costs_nothing_that_a_resume_could_give_back() -> None:
    before = msgspec.structs.replace(STATES["unknown"], lost_used=2)
    requeued = decide(before, EVENTS["requeue, duplicate accepted"], NOW, JITTER)
    assert isinstance(requeued, Change)
    again = decide(requeued.job, EVENTS["resume"], NOW, JITTER)
    assert isinstance(again, Change)
    assert (again.job.status, again.job.lost_used, again.job.attempts) == (Status.RUNNING, 2, run(refunded=0))


def test_why_no_process_was_made_of_it_stays_in_the_history_and_is_told_at_the_end() -> None:
    why = msgspec.structs.replace(EVENTS["never spawned"], message="the worker's process ended before it was started")
    back = decide(STATES["assigned"], why, NOW, JITTER)
    assert isinstance(back, Change)
    assert back.job.history[-1].note == why.message
    over = decide(STATES["assigned, 5 times unborn"], why, NOW, JITTER)
    assert isinstance(over, Change)
    assert over.job.message == f"6 times a worker took it and made no process of it: {why.message}"


@pytest.mark.parametrize("fields", [{"left": 1}, {"reason": Reason.SIGNAL}])
def test_what_was_taken_back_waits_again_only_if_it_ended_as_its_worker_was_told_and_left_nothing(
    fields: dict[str, Any],
) -> None:
    result = msgspec.structs.replace(KILLED, **fields)
    decision = decide(STATES["running, requeue, was lost"], on.Ended(W, S, N, result), NOW, JITTER)
    assert isinstance(decision, Change)
    assert (decision.job.status, decision.job.lost_used) == (Status.FAILED, 1)
