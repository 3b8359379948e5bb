"""Adding jobs: all or none, and a submit key is there once."""

import asyncio

import pytest

from cmdexec.model.batch import Batch
from cmdexec.model.job import Job, Spec, Status
from cmdexec.store.contract.jobs_write import Inserted, Present
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, inserted, job, jobs, wanted


async def test_inserted_jobs_are_read_as_they_were_given(store: Store) -> None:
    new = jobs(5)
    assert await store.jobs_write.insert(new) == Inserted()
    ids = [one.job_id for one in reversed(new)]
    assert await store.reads.jobs.get([*ids, "no such job"]) == [*reversed(new), None]


async def test_a_batch_with_one_used_key_adds_nothing_and_names_the_jobs_of_the_used_keys(store: Store) -> None:
    old = jobs(3)
    await inserted(store, *old)
    batch = [job(10), job(11, submit_key=old[2].submit_key), job(12), job(13, submit_key=old[0].submit_key)]
    assert await store.jobs_write.insert(batch) == Present((old[2], old[0]))
    assert await store.reads.jobs.get([one.job_id for one in batch]) == [None] * 4
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 3
    assert await store.reads.jobs.waiting_of("owner") == 3


async def test_the_same_batch_again_is_present_with_the_same_jobs(store: Store) -> None:
    batch = jobs(4)
    await inserted(store, *batch)
    assert await store.jobs_write.insert(batch) == Present(tuple(batch))


async def test_jobs_are_found_by_their_submit_keys(store: Store) -> None:
    await inserted(store, *jobs(3))
    assert await store.reads.jobs.by_submit_keys(["key-2", "no such key", "key-0"]) == [job(2), job(0)]
    await store.jobs_write.forget_submit_keys(NOW + 1, 10)
    assert await store.reads.jobs.by_submit_keys(["key-0"]) == []


async def test_jobs_that_are_alike_are_read_as_if_each_had_been_given(store: Store) -> None:
    """Runs of one and of many, of which some differ in columns, some in what they run alone."""
    kinds = [
        (job(0), 1), (job(1, submit_key="mine"), 3), (job(4, klass="k", submit_key=""), 2),
        (job(6, spec=Spec(command="x" * 500), submit_key="last"), 1),
        (job(7, submit_key="last", created_at=NOW + 6), 40),
    ]  # fmt: skip
    new = Batch([(one, [job(int(one.job_id[-12:], 16) + n).job_id for n in range(count)]) for one, count in kinds])
    assert await store.jobs_write.insert(new) == Inserted()
    assert await store.reads.jobs.get(new.job_ids) == list(new)
    assert [one.job_id for one in new] == [job(number).job_id for number in range(47)]
    assert await store.reads.jobs.by_submit_keys(["last", "mine", ""]) == [*new[6:], *new[1:4]]
    assert await store.reads.jobs.waiting_of("owner") == 47
    (klass,) = await store.reads.classes.get(["k"])
    assert klass is not None
    assert klass.jobs == 2
    assert await store.jobs_write.insert([job(100), job(101, submit_key="mine")]) == Present(tuple(new[1:4]))


async def test_a_claim_that_is_made_when_an_insert_has_its_place_sees_the_jobs(store: Store) -> None:
    (new,) = jobs(1)
    claims: list[asyncio.Task[list[Job]]] = []
    async with asyncio.TaskGroup() as tasks:

        def claim() -> None:
            claims.append(tasks.create_task(store.jobs_write.claim(wanted("early"))))

        assert await store.jobs_write.insert([new], claim) == Inserted()
    assert [[one.job_id for one in await claim] for claim in claims] == [[new.job_id]]
    (found,) = await store.reads.jobs.get([new.job_id])
    assert found is not None
    assert found.status is Status.ASSIGNED


async def test_a_claim_after_an_insert_that_is_refused_takes_nothing(store: Store) -> None:
    await inserted(store, job(0, status=Status.CANCELLED))
    claims: list[asyncio.Task[list[Job]]] = []
    async with asyncio.TaskGroup() as tasks:

        def claim() -> None:
            claims.append(tasks.create_task(store.jobs_write.claim(wanted("early"))))

        outcome = await store.jobs_write.insert([job(1), job(0)], claim)
    assert isinstance(outcome, Present)
    assert [await claim for claim in claims] == [[]]


async def test_a_refused_batch_does_not_hurt_what_is_stored_beside_it(store: Store) -> None:
    await inserted(store, job(0))
    outcomes = await asyncio.gather(*(store.jobs_write.insert([job(number), job(0)]) for number in range(1, 9)),
                                    *(store.jobs_write.insert([job(number)]) for number in range(9, 17)))  # fmt: skip
    assert [type(outcome) for outcome in outcomes] == [Present] * 8 + [Inserted] * 8
    found = await store.reads.jobs.get([job(number).job_id for number in range(17)])
    assert [one is not None for one in found] == [True] + [False] * 8 + [True] * 8
    assert await store.reads.jobs.waiting_of("owner") == 9


async def test_of_many_that_bring_the_same_key_at_once_one_adds_its_job(store: Store) -> None:
    rivals = [job(number, submit_key="the key") for number in range(20)]
    outcomes = await asyncio.gather(*(store.jobs_write.insert([rival]) for rival in rivals))
    (winner,) = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if isinstance(outcome, Inserted)]
    assert [outcome for outcome in outcomes if isinstance(outcome, Present)] == [Present((winner,))] * 19


async def test_a_key_is_free_again_once_it_is_forgotten(store: Store) -> None:
    await inserted(store, *jobs(5))
    assert await store.jobs_write.forget_submit_keys(NOW + 3, 2) == 2
    assert await store.jobs_write.forget_submit_keys(NOW + 3, 10) == 1
    assert await store.jobs_write.forget_submit_keys(NOW + 3, 10) == 0
    assert isinstance(await store.jobs_write.insert([job(20, submit_key="key-2")]), Inserted)
    assert isinstance(await store.jobs_write.insert([job(21, submit_key="key-3")]), Present)
    assert (await store.reads.jobs.get([job(2).job_id])) == [job(2)]


async def test_a_job_id_that_is_there_already_is_a_fault_and_adds_nothing(store: Store) -> None:
    await inserted(store, job(0))
    with pytest.raises(ValueError, match="twice"):
        await store.jobs_write.insert([job(1), job(0, submit_key="another key")])
    assert await store.reads.jobs.get([job(1).job_id]) == [None]
    await inserted(store, job(1))


async def test_a_key_that_is_there_twice_in_a_batch_is_a_fault_and_adds_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="twice"):
        await store.jobs_write.insert([job(0), job(1), job(2, submit_key="key-0")])
    assert await store.reads.jobs.get([job(number).job_id for number in range(3)]) == [None] * 3
    await inserted(store, *jobs(2))


async def test_inserted_jobs_are_there_after_opening_again(place: Place) -> None:
    store = place.open()
    await inserted(store, *jobs(7))
    store = await place.reopen()
    assert await store.reads.jobs.get([one.job_id for one in jobs(7)]) == jobs(7)
    assert await store.reads.jobs.waiting_of("owner") == 7
