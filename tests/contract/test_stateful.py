"""A store against a dictionary, call by call: whatever is asked in whatever order, asked again, or asked of the next
process that opens it."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cmdexec.model.job import HELD, Job, Status
from cmdexec.store.contract.jobs_write import Applied, InlineOutput, JobWrite, NotWritten
from cmdexec.store.contract.output import STREAMS, Append, OutputRow
from tests.contract.engines import Place
from tests.contract.making import as_claimed, changed, running, wanted, write
from tests.contract.reference import CLASSES, OWNERS, WORKERS, Reference

Row = tuple[str, int]
NEW = st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(0, 5), st.sampled_from(OWNERS)), min_size=1, max_size=6)
CHANGES = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(Status), st.booleans(), st.booleans()), min_size=1, max_size=6
)
PICK = st.integers(0, 30)
BACK = st.sampled_from((0, 0, 0, -3, -1, 1, 20))
"""How far before the end of what is stored a piece begins; below 0: beyond it."""

DATA = st.binary(min_size=1, max_size=40)


EXAMPLES = {"mongo": 9}
"""Sequences for an engine with which each takes longer than with others."""


MET = {"foretold", "claimed again", "started", "appended", "refused"}
"""What has to have come of calls before anything is shown."""


@dataclass
class Kept:
    """What is stored of an attempt's output."""

    session: str
    open: bool = True
    streams: dict[str, bytes] = field(default_factory=lambda: dict.fromkeys(STREAMS, b""))


@dataclass
class Whole(Reference):
    """Claims by their ids, and output, beside the jobs. `met` counts what came of calls."""

    claims: dict[str, tuple[Any, list[Job]]] = field(default_factory=dict)
    rows: dict[Row, Kept] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)

    def picked(self, index: int, *statuses: Status) -> Job | None:
        """One of the jobs that stand so."""
        fit = [one for one in self.jobs.values() if one.status in statuses]
        return fit[index % len(fit)] if fit else None

    async def foretold(self, klasses: set[str], limit: int, worker_id: str, *, tells: bool) -> None:
        """A claim that may tell what it is about to give: what it tells is what it gives."""
        self.calls += 1
        asked = wanted(f"claim-{self.calls}", limit, sorted(klasses), worker_id)
        told: list[list[Job]] = []
        fit = [
            one for one in (self.jobs[job_id] for job_id in self.ids)
            if one.status is Status.QUEUED and one.klass in klasses and worker_id not in one.avoid
        ]  # fmt: skip
        expected = [as_claimed(one, asked) for one in sorted(fit, key=lambda one: one.rank)[:limit]]
        foretell = (lambda jobs: told.append(list(jobs))) if tells else None
        assert await self.store.jobs_write.claim(asked, foretell) == expected
        assert told in ([], [expected])
        self.met["foretold"] += bool(told)
        self.jobs |= {one.job_id: one for one in expected}
        if expected:
            self.claims[asked.claim.claim_id] = asked, expected

    async def claim_again(self, index: int) -> None:
        """The same claim gives what is still assigned by it, and takes no more while a job that is held names it."""
        asked, gave = list(self.claims.values())[index % len(self.claims)]
        now = [self.jobs[one.job_id] for one in gave]
        naming = [one for one in now if one.claim_id == asked.claim.claim_id]
        if not naming or any(one.status not in HELD for one in naming):
            return  # the id is as good as new; or changes by chance have left it where the model never does
        self.met["claimed again"] += 1
        again = await self.store.jobs_write.claim(asked)
        assert sorted(again, key=_job_id) == sorted(
            (one for one in naming if one.status is Status.ASSIGNED), key=_job_id
        )

    async def written(self, writes: Sequence[JobWrite], expected: Sequence[Job | None]) -> None:
        """Once, and once more: after an answer that was lost the same gets the same."""
        for _ in range(2):
            outcomes = await self.store.jobs_write.apply(writes)
            for one, outcome, after in zip(writes, outcomes, expected, strict=True):
                if after is not None:
                    assert outcome == Applied(after)
                else:
                    assert isinstance(outcome, NotWritten)
                    assert outcome.current == self.jobs[one.job.job_id]

    async def start(self, index: int) -> None:
        before = self.picked(index, Status.ASSIGNED)
        if before is None or before.attempt != len(before.attempts) + 1:
            return
        self.met["started"] += 1
        go = running(before)
        self.calls += 1
        self.jobs[go.job_id] = go
        self.rows.setdefault((go.job_id, go.attempt), Kept(go.session or "")).open = True
        await self.written([write(before, go, f"start-{self.calls}", opens=go.attempt)], [go])

    async def end(self, index: int, rides: bytes, *, measured_wrong: bool) -> None:
        """With the last of its output, and upon a length that may be another one by now."""
        before = self.picked(index, Status.RUNNING)
        row = self.rows.get((before.job_id, before.attempt)) if before is not None else None
        if before is None or row is None or not row.open or row.session != before.session:
            return
        self.calls += 1
        self.met["measured wrong" if measured_wrong else "ended"] += 1
        lengths = (len(row.streams["stdout"]), len(row.streams["stderr"]))
        ended = changed(before, status=Status.COMPLETED)
        change = write(
            before, ended, f"end-{self.calls}", append_to=before.attempt, closes=before.attempt,
            append=(InlineOutput("stdout", lengths[0], rides),),
            measured=(lengths[0] + 1, lengths[1]) if measured_wrong else lengths,
        )  # fmt: skip
        if measured_wrong:
            (outcome,) = await self.store.jobs_write.apply([change])
            assert isinstance(outcome, NotWritten)
            assert outcome.output == lengths
            return
        self.jobs[ended.job_id] = ended
        row.streams["stdout"] += rides
        row.open = False
        await self.written([change], [ended])

    async def append(self, index: int, stream: str, back: int, data: bytes, *, foreign: bool) -> None:
        """At its end, or before that (a repeat, or what overlaps), or beyond it (a gap)."""
        if not self.rows:
            return
        job_id, attempt = list(self.rows)[index % len(self.rows)]
        row = self.rows[job_id, attempt]
        have = row.streams[stream]
        offset = max(0, len(have) - back)
        data = have[offset:] + data if back > 0 else data
        session = "another" if foreign else row.session
        (told,) = await self.store.reads.output.append(
            [Append(job_id, attempt, session, stream, offset, data, 1 << 20)]
        )
        if foreign or not row.open:
            assert told.refused in ("foreign", "closed")
            self.met["refused"] += 1
        elif offset > len(have):
            assert told.refused == "gap"
            self.met["gap"] += 1
        else:
            assert (told.refused, told.stored) == (None, len(data) - (len(have) - offset))
            row.streams[stream] = have[:offset] + data
            self.met["overlap" if offset < len(have) else "appended"] += 1

    async def agrees(self) -> None:
        await super().agrees()
        output = self.store.reads.output
        for (job_id, attempt), row in self.rows.items():
            ends = {stream: len(kept) for stream, kept in row.streams.items()}
            (found,) = await output.rows([(job_id, attempt)])
            assert found == OutputRow(job_id, attempt, row.session, row.open, **ends)
            for stream, kept in row.streams.items():
                read = b""
                while piece := await output.read(job_id, attempt, stream, len(read), 1 << 20):
                    read += piece
                assert read == kept


def _job_id(job: Job) -> str:
    return job.job_id


class Calls(RuleBasedStateMachine):
    """Every rule is one call, or two of the same. It runs in a thread, the store on the loop of its test."""

    def __init__(self, place: Place, loop: asyncio.AbstractEventLoop, met: Counter[str]) -> None:
        super().__init__()
        self.place, self.loop, self.met = place, loop, met

    def on_loop(self, call: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(call, self.loop).result(30)

    @initialize(made=NEW)
    def first(self, made: list[tuple[str, int, str]]) -> None:
        async def opened() -> None:
            self.stored = Whole(self.place.open(), met=self.met)
            await self.stored.insert(made, False)

        self.on_loop(opened())

    @rule(made=NEW, used=st.booleans())
    def insert(self, made: list[tuple[str, int, str]], used: bool) -> None:
        self.on_loop(self.stored.insert(made, used))

    @rule(
        klasses=st.sets(st.sampled_from(CLASSES)), limit=st.integers(0, 5), worker=st.sampled_from(WORKERS),
        tells=st.booleans(),
    )  # fmt: skip
    def claim(self, klasses: set[str], limit: int, worker: str, tells: bool) -> None:
        self.on_loop(self.stored.foretold(klasses, limit, worker, tells=tells))

    @precondition(lambda self: bool(self.stored.claims))
    @rule(index=PICK)
    def claim_again(self, index: int) -> None:
        self.on_loop(self.stored.claim_again(index))

    @rule(made=CHANGES)
    def apply(self, made: list[tuple[int, Status, bool, bool]]) -> None:
        self.on_loop(self.stored.apply(made))

    @rule(index=PICK)
    def start(self, index: int) -> None:
        self.on_loop(self.stored.start(index))

    @rule(rank=st.integers(0, 5), worker=st.sampled_from(WORKERS), index=PICK)
    def begin(self, rank: int, worker: str, index: int) -> None:
        """A job comes and is begun: by chance alone few of them have output to be asked about."""

        async def begun() -> None:
            await self.stored.insert([("", rank, OWNERS[0])], False)
            await self.stored.foretold(set(CLASSES), 5, worker, tells=True)
            await self.stored.start(index)

        self.on_loop(begun())

    @rule(index=PICK, rides=DATA, wrong=st.booleans())
    def end(self, index: int, rides: bytes, wrong: bool) -> None:
        self.on_loop(self.stored.end(index, rides, measured_wrong=wrong))

    @precondition(lambda self: bool(self.stored.rows))
    @rule(pieces=st.lists(st.tuples(PICK, st.sampled_from(STREAMS), BACK, DATA, st.booleans()), min_size=1, max_size=8))
    def append(self, pieces: list[tuple[int, str, int, bytes, bool]]) -> None:
        async def appended() -> None:
            for index, stream, back, data, foreign in pieces:
                await self.stored.append(index, stream, back, data, foreign=foreign and back <= 0)

        self.on_loop(appended())

    @rule()
    def reopen(self) -> None:
        async def opened() -> None:
            self.stored.store = await self.place.reopen()

        self.on_loop(opened())

    @invariant()
    def agree(self) -> None:
        self.on_loop(self.stored.agrees())

    def teardown(self) -> None:
        self.on_loop(self.place.end())


async def test_whatever_is_called_in_whatever_order_agrees_with_a_dictionary(place: Place) -> None:
    loop, numbers, met = asyncio.get_running_loop(), iter(range(1_000_000)), Counter[str]()

    def made() -> Calls:
        own = Place(place.engine, place.folder / str(next(numbers)))
        own.folder.mkdir()
        return Calls(own, loop, met)

    bounds = settings(
        max_examples=EXAMPLES.get(place.engine, 25), stateful_step_count=25,
        phases=(Phase.generate,),  # a shorter sequence takes longer to find than a test may take
    )  # fmt: skip
    await asyncio.to_thread(run_state_machine_as_test, made, settings=bounds)
    if place.engine not in EXAMPLES:
        assert MET <= met.keys(), MET - met.keys()
