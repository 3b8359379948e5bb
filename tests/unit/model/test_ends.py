"""What an end makes of a job: which reasons are tried again, how long that waits, and what people are told."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.model.backoff import reconnect_wait, retry_wait
from cmdexec.model.birth import claimed, queued, rank_of
from cmdexec.model.decision import Change
from cmdexec.model.ends import reason_of, retryable
from cmdexec.model.events import Claim, Ended, FromWorker
from cmdexec.model.job import (
    ATTEMPTS_MAX,
    HISTORY_MAX,
    MESSAGE_MAX,
    Attempt,
    Backoff,
    Container,
    Reason,
    Result,
    Spec,
    Status,
)
from cmdexec.model.matching import Needs, klass_of
from cmdexec.model.sentences import attempt_sentence, duration, sentence, signal_name
from cmdexec.model.transitions import decide
from tests.unit.model.states import EVENTS, NOW, STATES, N, S, W, job

BOXED = {"container": Container("a:1")}
JITTERS = st.floats(0, 1, exclude_max=True)
ALWAYS = ("signal", "timeout", "oom", "image", "worker", "exit")
NEVER = ("start", "rejected", "expired", "dependency", "lost", "cancelled")


@pytest.mark.parametrize("reason", ALWAYS)
def test_these_reasons_are_tried_again_unless_retry_on_leaves_them_out(reason: str) -> None:
    assert retryable(Spec("x"), Reason(reason), None)
    assert retryable(Spec("x", retry_on=(reason,)), Reason(reason), None)
    assert not retryable(Spec("x", retry_on=tuple(set(ALWAYS) - {reason})), Reason(reason), 3)


@pytest.mark.parametrize("reason", NEVER)
def test_these_reasons_are_never_tried_again_even_if_named(reason: str) -> None:
    assert not retryable(Spec("x"), Reason(reason), None)
    assert not retryable(Spec("x", retry_on=(reason,)), Reason(reason), None)


@pytest.mark.parametrize(("code", "again"), [(75, True), (7, False), (175, False), (1, False)])
def test_one_exit_code_alone_may_be_tried_again(code: int, again: bool) -> None:
    assert retryable(Spec("x", retry_on=("image", "exit:75")), Reason.EXIT, code) is again


@pytest.mark.parametrize(
    ("result", "cancel_asked", "reason"),
    [
        (Result(), False, None),
        (Result(exit_code=0), True, None),
        (Result(Reason.EXIT, exit_code=0), False, None),
        (Result(exit_code=3), False, Reason.EXIT),
        (Result(exit_code=3), True, Reason.EXIT),
        (Result(signal=15), False, Reason.SIGNAL),
        (Result(signal=15), True, Reason.CANCELLED),
        (Result(signal=9), True, Reason.CANCELLED),
        (Result(signal=11), True, Reason.SIGNAL),
        (Result(Reason.SIGNAL, signal=9), True, Reason.SIGNAL),
        (Result(Reason.TIMEOUT, signal=9), True, Reason.TIMEOUT),
        (Result(Reason.CANCELLED, signal=9), True, Reason.CANCELLED),
        (Result(Reason.CANCELLED, signal=9), False, Reason.WORKER),
    ],
)
def test_why_a_result_ended(result: Result, cancel_asked: bool, reason: Reason | None) -> None:
    assert reason_of(result, cancel_asked) is reason


@pytest.mark.parametrize(
    ("spec", "result", "words"),
    [
        ({}, Result(Reason.EXIT, exit_code=3), "exit code 3"),
        ({}, Result(Reason.SIGNAL, signal=9), "ended by SIGKILL"),
        ({}, Result(Reason.SIGNAL, signal=10), "ended by signal 10"),
        ({"timeout_sec": 5.0}, Result(Reason.TIMEOUT), "stopped after its limit of 5 s"),
        ({"timeout_sec": 0.25}, Result(Reason.TIMEOUT), "stopped after its limit of 0.25 s"),
        ({"timeout_sec": 600.0}, Result(Reason.TIMEOUT), "stopped after its limit of 10 min"),
        ({}, Result(Reason.OOM), "ran out of memory"),
        ({"ram_mb": 2048}, Result(Reason.OOM), "needed more than its 2 GB"),
        ({"ram_mb": 1500}, Result(Reason.OOM), "needed more than its 1500 MB"),
        ({"ram_mb": 64}, Result(Reason.OOM, message=(used := "it used more than its 64 MB of memory")), used),
        ({"ram_mb": 64}, Result(Reason.OOM, message="its machine ran out of memory"), "its machine ran out of memory"),
        ({"ram_mb": 64}, Result(Reason.OOM, message="killed"), "needed more than its 64 MB: killed"),
        ({}, Result(Reason.START, message="no such program: frob"), "could not be started: no such program: frob"),
        ({}, Result(Reason.IMAGE), "image could not be had"),
        (BOXED, Result(Reason.IMAGE, message="a:1: No such image"), "image could not be had: a:1: No such image"),
        (BOXED, Result(Reason.OOM, message=(all_of := "its container used all of its 64 MB of memory")), all_of),
        (
            BOXED, Result(Reason.EXIT, exit_code=1, left=1, survivors=("container c",)),
            "exit code 1; its container could not be removed (container c)",
        ),
        ({}, Result(Reason.WORKER), "worker w1 gave it up"),
        (
            {}, Result(Reason.EXIT, exit_code=1, left=2, survivors=("pid 7 (a)", "pid 8 (b)")),
            "exit code 1; 2 of its processes could not be killed (pid 7 (a), pid 8 (b))",
        ),
    ],
)  # fmt: skip
def test_a_person_is_told_why_in_words(spec: dict[str, Any], result: Result, words: str) -> None:
    before = msgspec.structs.replace(STATES["running"], spec=Spec("x", **spec))
    decision = decide(before, Ended(W, S, N, result), NOW, 0.5)
    assert isinstance(decision, Change)
    assert decision.job.message == words
    assert decision.job.history[-1].note == words


def test_each_attempt_is_told_why_it_ended_and_with_whom() -> None:
    def of(end: Reason | None, result: Result | None = None) -> str | None:
        run = Attempt(1, "w7", "s", 0, NOW, end, end is None, result)
        return attempt_sentence(STATES["running"], run)

    assert of(Reason.LOST) == "worker w7 lost, given up"
    assert of(Reason.WORKER) == "worker w7 gave it up"
    assert of(Reason.EXIT, Result(Reason.EXIT, exit_code=75)) == "exit code 75"
    assert of(None, Result(exit_code=0)) is None
    assert of(None, Result(exit_code=0, message="half of it")) == "half of it"


@pytest.mark.parametrize(("seconds", "words"), [
    (0.25, "0.25 s"), (59.0, "59 s"), (60.0, "1 min"), (252.0, "4 min 12 s"), (3600.0, "1 h"), (11_100.0, "3 h 5 min"),
    (86_400.0, "1 day"), (176_400.0, "2 days 1 h"), (59.9999, "59.9999 s"), (3599.7, "1 h"),
])  # fmt: skip
def test_durations_are_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_and_none_of_them_is_ever_too_long(reason: Reason) -> None:
    said = sentence(STATES["running"], reason, Result(reason, message="x" * 5000))
    assert len(said) == MESSAGE_MAX
    assert len(sentence(STATES["running"], reason)) > 5


@pytest.mark.parametrize("result", [Result(exit_code=0), Result(exit_code=3), Result(Reason.CANCELLED, signal=15)])
def test_what_a_worker_says_is_cut_to_size_however_it_ended(result: Result) -> None:
    said = msgspec.structs.replace(result, message="x" * 5000)
    decision = decide(STATES["running, cancel asked"], Ended(W, S, N, said), NOW, 0.5)
    assert isinstance(decision, Change)
    assert len(decision.job.message or "") == MESSAGE_MAX
    assert len(decision.job.history[-1].note or "") == MESSAGE_MAX


def test_signals_are_named_only_where_every_system_has_the_same_number() -> None:
    assert [signal_name(number) for number in (1, 2, 9, 15, 10, 64)] == [
        "SIGHUP", "SIGINT", "SIGKILL", "SIGTERM", "signal 10", "signal 64",
    ]  # fmt: skip


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 10**6), JITTERS)
def test_a_retry_waits_a_random_part_of_a_doubling_reach(first: float, most: float, used: int, jitter: float) -> None:
    wait = retry_wait(Backoff(first, most), used, jitter)
    assert min(first / 2, most) <= wait <= most


def test_the_reach_doubles_with_every_retry() -> None:
    assert [retry_wait(Backoff(1.0, 300.0), used, 0.999) for used in (0, 1, 2, 3)] == [0.999, 1.998, 3.996, 7.992]
    assert retry_wait(Backoff(1.0, 300.0), 50, 0.5) == 150
    assert retry_wait(Backoff(1.0, 300.0), 3, 0.0) == 0.5


@given(st.integers(0, 10**6), JITTERS, st.floats(0, 100), st.floats(0, 1000))
def test_a_reconnect_never_waits_longer_than_its_bound(
    failures: int, jitter: float, first: float, bound: float
) -> None:
    wait = reconnect_wait(failures, jitter, first, 60.0, bound)
    assert 0 <= wait <= min(60.0, bound)
    assert wait <= first * 2.0 ** min(failures, 60)


def test_a_reconnect_doubles_its_reach_and_takes_all_of_it() -> None:
    assert [reconnect_wait(n, 0.5, 1.0, 60.0) for n in (0, 1, 2, 9)] == [0.5, 1.0, 2.0, 30.0]
    assert reconnect_wait(5, 0.0, 1.0, 60.0) == 0
    assert reconnect_wait(9, 0.5, 1.0, 60.0, 15.0) == 7.5


def test_a_job_is_born_queued_or_scheduled() -> None:
    born: dict[str, Any] = {"job_id": "j", "owner": "ann", "submit_key": "k", "body_hash": "h", "age_ms": 1000}
    now = queued(Spec("x", priority=2, requires={"gpu": "yes"}), now=NOW, **born)
    assert (now.status, now.queued_at, now.due_at, now.rank, now.rev) == (Status.QUEUED, NOW, None, NOW - 2000, 0)
    assert now.klass == klass_of(Needs((("gpu", "yes"),)))
    later = queued(Spec("x", run_at=NOW + 1), now=NOW, **born)
    assert (later.status, later.queued_at, later.due_at) == (Status.SCHEDULED, None, NOW + 1)
    assert queued(Spec("x", run_at=NOW), now=NOW, **born).status is Status.QUEUED
    assert [line.event for line in later.history] == ["submit"]


def test_priority_moves_a_job_ahead_of_those_that_came_that_much_earlier() -> None:
    assert rank_of(10_000, 1, 5000) < rank_of(5001, 0, 5000)
    assert rank_of(10_000, 1, 5000) > rank_of(4999, 0, 5000)


@pytest.mark.parametrize("state", ["queued", "recalled"])
def test_a_store_that_claims_writes_what_the_table_says(state: str) -> None:
    claim = Claim(W, S, "c2")
    decision = decide(STATES[state], claim, NOW, 0.5)
    assert isinstance(decision, Change)
    assert claimed(STATES[state], claim, NOW) == decision.job


@pytest.mark.parametrize("state", [name for name, one in STATES.items() if one.status is not Status.QUEUED])
def test_only_a_queued_job_can_be_claimed(state: str) -> None:
    with pytest.raises(ValueError, match="not queued"):
        claimed(STATES[state], Claim(W, S, "c2"), NOW)


def test_a_job_handed_to_and_fro_for_ever_does_not_grow_for_ever() -> None:
    now = job(Status.QUEUED, history=STATES["queued"].history, spec=STATES["lost"].spec)
    for number in range(1, 3 * ATTEMPTS_MAX):
        for name in ("claim", "start", "handed back", "due"):
            event = EVENTS[name]
            about = {"attempt": number} if isinstance(event, FromWorker) else {}
            decision = decide(now, msgspec.structs.replace(event, **about), NOW, 0)
            assert isinstance(decision, Change), (name, decision)
            now = decision.job
    assert (len(now.history), len(now.attempts)) == (HISTORY_MAX, ATTEMPTS_MAX)
    assert (now.history[0].event, now.history[-1].event) == ("submit", "due")
    assert now.runs == 3 * ATTEMPTS_MAX - 1
    assert now.attempts[-1].number == now.attempt


@pytest.mark.parametrize(("spec", "code", "used", "said"), [
    (Spec("x"), 7, 0, "exit code 7"), (Spec("x", max_retries=2), 7, 2, "exit code 7; its retries are used up"),
    (Spec("x", max_retries=2, retry_on=("exit:75",)), 7, 0, "exit code 7"),
    (Spec("x", max_retries=1, retry_on=("exit:75",)), 75, 1, "exit code 75; its retries are used up"),
])  # fmt: skip
def test_the_end_after_the_last_run_says_that_there_is_none_left(spec: Spec, code: int, used: int, said: str) -> None:
    running = msgspec.structs.replace(STATES["running"], spec=spec, retries_used=used)
    ended = decide(running, Ended(W, S, N, Result(exit_code=code)), NOW, 0.0)
    assert isinstance(ended, Change)
    assert (ended.job.status, ended.job.message) == (Status.FAILED, said)
