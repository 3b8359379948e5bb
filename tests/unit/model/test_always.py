"""What always holds for a job, whatever happens to it in whatever order."""

from hashlib import sha256
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cmdexec.admin.doctor.rules import RULES
from cmdexec.admin.doctor.seen import Seen, Stored
from cmdexec.errors import CODES
from cmdexec.model import events as on
from cmdexec.model.birth import queued
from cmdexec.model.decision import Change, Refusal
from cmdexec.model.job import AVOID_MAX, HISTORY_MAX, MESSAGE_MAX, Backoff, Job, OnLost, Reason, Result, Spec, Status
from cmdexec.model.transitions import decide
from cmdexec.store.contract.output import STREAMS, OutputRow

NOTHING = Stored(0, sha256().hexdigest())
ENDED = {Status.COMPLETED, Status.FAILED, Status.CANCELLED}
WORKERS = ("w1", "w2")
TEXT = st.none() | st.text(max_size=3) | st.just("x" * 600)
RESULTS = st.builds(
    Result,
    reason=st.none() | st.sampled_from(Reason),
    exit_code=st.none() | st.sampled_from([0, 3, 75]),
    signal=st.none() | st.sampled_from([9, 11, 15]),
    message=TEXT,
    left=st.sampled_from([0, 0, 2]),
    survivors=st.sampled_from([(), ("pid 7 (sh)",)]),
)
SPECS = st.builds(
    Spec,
    command=st.just("true"),
    on_lost=st.sampled_from(OnLost),
    max_retries=st.integers(0, 2),
    max_lost=st.integers(0, 2),
    retry_on=st.sampled_from([(), ("exit:75",), ("worker", "lost")]),
    backoff=st.builds(Backoff, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 60.0])),
    run_at=st.none() | st.just(5),
    timeout_sec=st.none() | st.just(1.5),
)


class Life(RuleBasedStateMachine):
    """One job, two workers of two sessions each, people, and a clock that goes on."""

    @initialize(spec=SPECS)
    def birth(self, spec: Spec) -> None:
        self.now = 0
        self.accepted: dict[int, Result] = {}
        self.open_rows: set[int] = set()
        self.rows: set[int] = set()
        self.job = queued(spec, job_id="j", owner="ann", submit_key="k", body_hash="h", now=0, age_ms=1000)

    def happens(self, event: on.Event, jitter: float = 0.5) -> None:
        before = self.job
        decision = decide(before, event, self.now, jitter)
        if isinstance(decision, Refusal):
            assert decision.code in CODES
            assert decision.message
            if decision.also is None:
                return
            decision = decision.also
            assert decision.job.history[-1].event == "superseded"
            unlike = {"rev", "history", "confirmed"}
            assert {**fields(decision.job), **dict.fromkeys(unlike)} == {**fields(before), **dict.fromkeys(unlike)}
        if not isinstance(decision, Change):
            assert decision.job is before
            return
        self.look_at(before, event, decision)
        self.job = decision.job
        if decision.opens is not None:
            self.open_rows.add(decision.opens)
            self.rows.add(decision.opens)
        self.open_rows.discard(decision.closes or 0)

    def look_at(self, before: Job, event: on.Event, change: Change) -> None:
        """What holds between a job and the job after it."""
        after = change.job
        assert change.rev == before.rev
        assert after.rev == before.rev + 1
        assert after.history[-2] == before.history[-1]
        assert after.attempt == before.attempt + isinstance(event, on.Claim)
        assert before.cancel_requested <= after.cancel_requested
        if before.cancel_requested:
            assert after.status in {Status.RUNNING} | ENDED, "what is cancelled is never given out again"
        if before.ended:
            changed = {name for name, value in fields(before).items() if fields(after)[name] != value}
            assert changed <= {"rev", "history", "confirmed"}
            assert ("confirmed" in changed) <= (before.confirmed is False and after.confirmed is True)
        for run in after.attempts:
            if run.result is not None:
                assert self.accepted.setdefault(run.number, run.result) == run.result, "a result is accepted once"
        assert set(self.accepted) <= {run.number for run in after.attempts}, "and never taken back"

    @rule(worker=st.sampled_from(WORKERS), life=st.integers(1, 2))
    def claim(self, worker: str, life: int) -> None:
        self.happens(on.Claim(worker, f"{worker}.{life}", "c"))

    @rule(kind=st.sampled_from([on.Start, on.Start, on.Output, on.Resume, on.Missing, on.NeverSpawned, on.HandedBack]))
    def holder_says(self, kind: type[Any]) -> None:
        if self.job.session is not None:
            self.happens(kind(self.job.worker_id, self.job.session, self.job.attempt))

    @rule(result=RESULTS, back=st.sampled_from([0, 0, 0, 1, 2]), jitter=st.floats(0, 1, exclude_max=True))
    def holder_reports(self, result: Result, back: int, jitter: float) -> None:
        if self.job.session is not None:
            self.happens(on.Ended(self.job.worker_id or "", self.job.session, self.job.attempt - back, result), jitter)

    @rule(message=TEXT, others=st.booleans(), dead=st.booleans())
    def holder_gives_up(self, message: str | None, others: bool, dead: bool) -> None:
        if self.job.session is not None:
            who = (self.job.worker_id or "", self.job.session, self.job.attempt)
            self.happens(on.Dead(*who, message) if dead else on.Declined(*who, message or "", others))

    @rule(
        kind=st.sampled_from([on.Start, on.Output, on.Resume, on.Missing, on.NeverSpawned, on.HandedBack, on.Dead]),
        worker=st.sampled_from(WORKERS), life=st.integers(1, 2), number=st.integers(-1, 4),
    )  # fmt: skip
    def anybody_says(self, kind: type[Any], worker: str, life: int, number: int) -> None:
        self.happens(kind(worker, f"{worker}.{life}", number))

    @rule(kind=st.sampled_from([on.Due, on.Recall, on.LostTimeout, on.Expired]), passed=st.integers(0, 100_000))
    def server_does(self, kind: type[Any], passed: int) -> None:
        self.now += passed
        self.happens(kind())

    @rule(own=st.booleans())
    def lease_is_over(self, own: bool) -> None:
        self.happens(on.LeaseOver((self.job.session if own else None) or "w1.1"))

    @rule(accept=st.booleans())
    def person_requeues(self, accept: bool) -> None:
        self.happens(on.Requeue("ann", accept_duplicate=accept))

    @rule(dice=st.integers(0, 4))
    def person_cancels(self, dice: int) -> None:
        if dice == 0:
            self.happens(on.Cancel("ann"))

    @invariant()
    def attempts_are_in_order_and_one_at_most_goes_on(self) -> None:
        numbers = [run.number for run in self.job.attempts]
        assert numbers == sorted(set(numbers))
        assert all(0 < number <= self.job.attempt for number in numbers)
        going_on = [run.number for run in self.job.attempts if run.ended_at is None]
        runs = self.job.status in {Status.RUNNING, Status.UNKNOWN}
        assert going_on == ([self.job.attempt] if runs else [])
        assert self.open_rows == set(going_on), "output is taken for what goes on, and for nothing else"
        assert all(run.ok <= (run.end is None and run.ended_at is not None) for run in self.job.attempts)

    @invariant()
    def fields_agree_with_the_status(self) -> None:
        job = self.job
        assert (job.finished_at is not None) == (job.status in ENDED)
        assert (job.reason is not None) == (job.status is Status.FAILED)
        assert (job.confirmed is not None) == (job.status is Status.CANCELLED)
        assert (job.unknown_at is not None) == (job.status is Status.UNKNOWN)
        assert (job.due_at is not None) == (job.status is Status.SCHEDULED)
        held = job.status in {Status.ASSIGNED, Status.RUNNING, Status.UNKNOWN}
        assert job.claim_id is None or held
        assert (job.status is not Status.FAILED) or job.message

    @invariant()
    def bounds_hold(self) -> None:
        job = self.job
        assert 0 <= job.retries_used <= job.spec.max_retries
        assert 0 <= job.lost_used <= job.spec.max_lost
        assert job.lost_used == sum(run.lost_cost for run in job.attempts)
        assert job.missing < 2
        assert len(job.history) <= HISTORY_MAX
        assert len(job.avoid) <= AVOID_MAX
        assert len(job.message or "") <= MESSAGE_MAX
        assert all(len(line.note or "") <= MESSAGE_MAX for line in job.history)

    @invariant()
    def doctor_finds_nothing_wrong(self) -> None:
        """`doctor --verify` calls nothing wrong that can come about."""
        kept = self.rows & {run.number for run in self.job.attempts}
        rows = {number: OutputRow("j", number, "s", number in self.open_rows) for number in kept}
        seen = Seen(self.job, rows, {number: dict.fromkeys(STREAMS, NOTHING) for number in kept})
        assert [(rule.name, list(rule.look(seen))) for rule in RULES if list(rule.look(seen))] == []

    def teardown(self) -> None:
        """Whatever became of it can be written down and read again."""
        if hasattr(self, "job"):
            assert msgspec.json.decode(msgspec.json.encode(self.job), type=Job) == self.job


def fields(job: Job) -> dict[str, Any]:
    return msgspec.structs.asdict(job)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40)
