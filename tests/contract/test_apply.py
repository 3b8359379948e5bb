"""Changes: each on its own condition."""

import asyncio

from cmdexec.model.job import Job, Status
from cmdexec.store.contract.jobs_write import Applied, InlineOutput, JobWrite, NotWritten
from cmdexec.store.contract.output import Append, OutputRow
from tests.contract.engines import Place, Store
from tests.contract.making import changed, inserted, job, jobs, started, wanted, write


async def stored(store: Store, one: Job) -> Job:
    (found,) = await store.reads.jobs.get([one.job_id])
    assert found is not None
    return found


async def test_a_change_is_written_only_on_the_rev_it_was_decided_on(store: Store) -> None:
    await inserted(store, job(0))
    first, rival = changed(job(0), message="first"), changed(job(0), message="rival")
    assert await store.jobs_write.apply([write(job(0), first, "x1")]) == [Applied(first)]
    assert await store.jobs_write.apply([write(job(0), rival, "x2")]) == [NotWritten(first)]
    assert await stored(store, first) == first


async def test_a_change_of_no_job_is_not_written(store: Store) -> None:
    assert await store.jobs_write.apply([write(job(0), changed(job(0)), "x1")]) == [NotWritten(None)]
    assert await store.reads.jobs.get([job(0).job_id]) == [None]


async def test_one_that_conflicts_does_not_stop_the_others(store: Store) -> None:
    await inserted(store, *jobs(4))
    await store.jobs_write.apply([write(job(2), changed(job(2), message="before"), "x0")])
    writes = [write(one, changed(one, message="after"), f"x1-{number}") for number, one in enumerate(jobs(4))]
    writes.insert(1, write(job(99), changed(job(99)), "x2"))
    outcomes = await store.jobs_write.apply(writes)
    assert [type(outcome) for outcome in outcomes] == [Applied, NotWritten, Applied, NotWritten, Applied]
    found = [one.message if one else None for one in await store.reads.jobs.get([one.job_id for one in jobs(4)])]
    assert found == ["after", "after", "before", "after"]


async def test_several_changes_of_one_job_are_applied_in_their_order(store: Store) -> None:
    await inserted(store, job(0))
    one = changed(job(0), message="one")
    two = changed(one, message="two")
    assert await store.jobs_write.apply([write(job(0), one, "x1"), write(one, two, "x2")]) == [
        Applied(one),
        Applied(two),
    ]
    assert await stored(store, two) == two


async def test_what_was_decided_on_a_change_that_conflicted_is_not_written_either(store: Store) -> None:
    """Else it would be written upon a change of somebody else that happens to have the same rev."""
    await inserted(store, job(0))
    theirs = changed(job(0), message="theirs")
    await store.jobs_write.apply([write(job(0), theirs, "x0")])
    mine = changed(job(0), message="mine")
    upon_mine = changed(mine, message="upon mine")
    outcomes = await store.jobs_write.apply([write(job(0), mine, "x1"), write(mine, upon_mine, "x2")])
    assert outcomes == [NotWritten(theirs), NotWritten(theirs)]
    assert await stored(store, theirs) == theirs


async def test_the_same_call_again_says_again_that_it_was_written(store: Store) -> None:
    """After an unknown outcome the caller asks again, and must learn that it was its own change."""
    await inserted(store, *jobs(2))
    one = changed(job(0), message="one")
    two = changed(one, message="two")
    writes = [write(job(0), one, "x1"), write(job(1), changed(job(1)), "x3"), write(one, two, "x2")]
    first = await store.jobs_write.apply(writes)
    assert await store.jobs_write.apply(writes) == first == [Applied(each.job) for each in writes]
    assert await stored(store, two) == two


async def test_a_change_written_before_and_changed_since_is_a_conflict(store: Store) -> None:
    await inserted(store, job(0))
    mine = [write(job(0), changed(job(0), message="mine"), "x1")]
    await store.jobs_write.apply(mine)
    since = changed(mine[0].job, message="since")
    await store.jobs_write.apply([write(mine[0].job, since, "x2")])
    assert await store.jobs_write.apply(mine) == [NotWritten(since)]


async def test_of_many_changes_of_the_same_rev_at_once_one_is_written(store: Store) -> None:
    await inserted(store, job(0))
    rivals = [write(job(0), changed(job(0), message=str(number)), f"x{number}") for number in range(30)]
    outcomes = [outcome for (outcome,) in await asyncio.gather(*(store.jobs_write.apply([one]) for one in rivals))]
    written = [outcome for outcome in outcomes if isinstance(outcome, Applied)]
    assert len(written) == 1
    assert all(outcome == NotWritten(written[0].job) for outcome in outcomes if isinstance(outcome, NotWritten))


async def test_a_change_is_there_after_opening_again(place: Place) -> None:
    store = place.open()
    go = await started(store)
    end = changed(go, status=Status.COMPLETED, exit_code=0)
    await store.jobs_write.apply([write(go, end, "x1", closes=1)])
    store = await place.reopen()
    assert await stored(store, end) == end
    assert (await store.reads.jobs.counts())[Status.COMPLETED] == 1


async def test_the_output_row_is_made_closed_and_opened_again_as_it_stood(store: Store) -> None:
    go = await started(store)
    key = (go.job_id, 1)
    assert await store.reads.output.rows([key]) == [OutputRow(*key, "s1", True)]
    end = changed(go, status=Status.FAILED)
    piece = InlineOutput("stdout", 0, b"hello")
    await store.jobs_write.apply([write(go, end, "x1", append_to=1, append=(piece,), closes=1)])
    assert await store.reads.output.rows([key]) == [OutputRow(*key, "s1", False, 5, 0)]
    again = changed(end, status=Status.RUNNING)
    await store.jobs_write.apply([write(end, again, "x2", opens=1)])
    assert await store.reads.output.rows([key]) == [OutputRow(*key, "s1", True, 5, 0)]


async def test_a_result_before_its_start_opens_appends_and_closes_in_one_change(store: Store) -> None:
    await inserted(store, job(0))
    (mine,) = await store.jobs_write.claim(wanted("c1"))
    end = changed(mine, status=Status.COMPLETED)
    pieces = (InlineOutput("stdout", 0, b"out"), InlineOutput("stderr", 0, b"error"))
    change = JobWrite(end, mine.rev, "x1", opens=1, append_to=1, append=pieces, closes=1)
    assert await store.jobs_write.apply([change]) == [Applied(end)]
    assert await store.reads.output.rows([(end.job_id, 1)]) == [OutputRow(end.job_id, 1, "s1", False, 3, 5)]
    assert await store.reads.output.read(end.job_id, 1, "stdout", 0, 100) == b"out"
    assert await store.reads.output.read(end.job_id, 1, "stderr", 0, 100) == b"error"


async def test_inline_output_that_was_stored_before_is_not_doubled(store: Store) -> None:
    go = await started(store)
    end = changed(go, status=Status.COMPLETED)
    pieces = (InlineOutput("stdout", 0, b"abc"), InlineOutput("stdout", 1, b"bcdef"), InlineOutput("stdout", 0, b"ab"))
    await store.jobs_write.apply([write(go, end, "x1", append_to=1, append=pieces, closes=1)])
    assert await store.reads.output.read(go.job_id, 1, "stdout", 0, 100) == b"abcdef"


async def test_a_change_that_conflicts_opens_and_closes_nothing(store: Store) -> None:
    go = await started(store)
    await store.jobs_write.apply([write(go, changed(go), "x1")])
    outcomes = await store.jobs_write.apply([write(go, changed(go), "x2", opens=2, closes=1)])
    assert isinstance(outcomes[0], NotWritten)
    rows = await store.reads.output.rows([(go.job_id, 1), (go.job_id, 2)])
    assert rows == [OutputRow(go.job_id, 1, "s1", True), None]


async def test_an_end_decided_on_other_output_than_is_stored_conflicts_and_changes_nothing(store: Store) -> None:
    go = await started(store)
    piece = Append(go.job_id, 1, "s1", "stderr", 0, b"late", 100)
    await store.reads.output.append([piece])
    end = changed(go, status=Status.COMPLETED)
    inline = (InlineOutput("stdout", 0, b"out"),)
    mine = write(go, end, "x1", append_to=1, append=inline, closes=1, measured=(0, 0))
    upon_mine = write(end, changed(end), "x2")
    other = job(7)
    await inserted(store, other)
    beside = write(other, changed(other), "x3")
    outcomes = await store.jobs_write.apply([mine, upon_mine, beside])
    assert outcomes == [NotWritten(go, (0, 4)), NotWritten(go), Applied(beside.job)]
    row = OutputRow(go.job_id, 1, "s1", True, 0, 4)
    assert await store.reads.output.rows([(go.job_id, 1)]) == [row]

    mine = write(go, end, "x4", append_to=1, append=inline, closes=1, measured=(0, 4))
    assert await store.jobs_write.apply([mine]) == [Applied(end)]
    assert await store.jobs_write.apply([mine]) == [Applied(end)], "asked again after an unknown outcome"
    assert await store.reads.output.rows([(go.job_id, 1)]) == [OutputRow(go.job_id, 1, "s1", False, 3, 4)]


async def test_before_an_attempt_has_begun_its_output_is_measured_as_nothing(store: Store) -> None:
    await inserted(store, job(0))
    (mine,) = await store.jobs_write.claim(wanted("c1"))
    end = changed(mine, status=Status.COMPLETED)
    wrong = JobWrite(end, mine.rev, "x1", opens=1, closes=1, measured=(1, 0))
    assert await store.jobs_write.apply([wrong]) == [NotWritten(mine, (0, 0))]
    assert await store.reads.output.rows([(end.job_id, 1)]) == [None]
    right = JobWrite(end, mine.rev, "x2", opens=1, closes=1, measured=(0, 0))
    assert await store.jobs_write.apply([right]) == [Applied(end)]
