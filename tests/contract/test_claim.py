"""Claims: each job to one worker, the best first, and the same claim asked again takes no more."""

import asyncio
import random

import msgspec

from cmdexec.model.job import Job, Spec, Status
from cmdexec.model.parts import Part
from cmdexec.store.contract.jobs_write import Applied
from tests.contract.engines import Place, Store
from tests.contract.making import as_claimed, changed, inserted, job, jobs, running, wanted, write


async def test_a_claim_takes_the_lowest_ranks_and_leaves_exactly_what_the_model_says(store: Store) -> None:
    waiting = [job(number, rank=-number) for number in range(6)]
    await inserted(store, *waiting)
    asked = wanted("c1", limit=4)
    expected = [as_claimed(one, asked) for one in reversed(waiting[2:])]
    assert await store.jobs_write.claim(asked) == expected
    assert await store.reads.jobs.get([one.job_id for one in expected]) == expected
    assert [one.job_id for one in await store.jobs_write.claim(wanted("c2"))] == [waiting[1].job_id, waiting[0].job_id]


async def test_a_claim_takes_no_more_once_it_weighs_enough_and_at_least_one(store: Store) -> None:
    large = Spec(command=("x" * 1000,))
    assert large.weight == 1003
    await inserted(store, *(job(number, spec=large) for number in range(6)))
    assert len(await store.jobs_write.claim(wanted("c1", limit=5, most=2000))) == 2
    assert len(await store.jobs_write.claim(wanted("c2", limit=5, most=1))) == 1
    assert len(await store.jobs_write.claim(wanted("c3", limit=5, most=2007))) == 3


async def test_equal_ranks_go_in_the_order_in_which_they_came(store: Store) -> None:
    await inserted(store, *jobs(5, rank=7))
    assert [one.job_id for one in await store.jobs_write.claim(wanted("c1"))] == [one.job_id for one in jobs(5)]


async def test_a_claim_takes_of_its_classes_only_in_the_order_of_rank_across_them(store: Store) -> None:
    await inserted(store, *(job(number, rank=number, klass="abc"[number % 3]) for number in range(12)))
    got = await store.jobs_write.claim(wanted("c1", limit=5, klasses=("c", "a", "c")))
    assert [one.rank for one in got] == [0, 2, 3, 5, 6]
    assert await store.jobs_write.claim(wanted("c2", klasses=())) == []
    assert await store.jobs_write.claim(wanted("c3", klasses=("nobody's",))) == []
    assert await store.jobs_write.claim(wanted("c4", limit=0)) == []


async def test_jobs_that_avoid_the_worker_are_passed_over(store: Store) -> None:
    await inserted(store, job(0, avoid=("w1",)), job(1, avoid=("w2", "w1")), job(2, avoid=("w11",)), job(3))
    assert [one.job_id for one in await store.jobs_write.claim(wanted("c1", limit=2))] == [job(2).job_id, job(3).job_id]
    assert await store.jobs_write.claim(wanted("c2")) == []
    assert [one.job_id for one in await store.jobs_write.claim(wanted("c3", worker_id="w2"))] == [job(0).job_id]


async def test_a_worker_is_avoided_as_it_is_known(store: Store) -> None:
    await inserted(store, job(0, avoid=("w1 2 512 watched",)), job(1, avoid=("w1",)))
    (same,) = await store.jobs_write.claim(wanted("c1", known_as="w1 2 512 watched"))
    (other,) = await store.jobs_write.claim(wanted("c2", known_as="w1 4 512 watched"))
    assert (same.job_id, other.job_id) == (job(1).job_id, job(0).job_id)


async def test_only_queued_jobs_are_claimed(store: Store) -> None:
    others = [job(number, status=status) for number, status in enumerate(Status) if status is not Status.QUEUED]
    await inserted(store, *others, job(100))
    assert [one.job_id for one in await store.jobs_write.claim(wanted("c1"))] == [job(100).job_id]


async def test_the_same_claim_again_returns_its_jobs_and_takes_no_more(store: Store) -> None:
    await inserted(store, *jobs(10))
    first = await store.jobs_write.claim(wanted("c1", limit=3))
    assert await store.jobs_write.claim(wanted("c1", limit=8)) == first
    assert (await store.reads.jobs.counts())[Status.QUEUED] == 7


async def test_the_same_claim_again_leaves_out_what_has_moved_on(store: Store) -> None:
    await inserted(store, *jobs(3))
    first = await store.jobs_write.claim(wanted("c1"))
    go, back = running(first[0]), changed(first[1], status=Status.QUEUED)
    await store.jobs_write.apply([write(first[0], go, "x1"), write(first[1], back, "x2")])
    assert await store.jobs_write.claim(wanted("c1")) == [first[2]]
    await store.jobs_write.apply([write(first[2], changed(first[2], status=Status.QUEUED), "x3")])
    assert await store.jobs_write.claim(wanted("c1")) == []
    assert len(await store.jobs_write.claim(wanted("c2"))) == 2


async def test_a_claim_is_remembered_as_long_as_one_of_its_jobs_is_held(store: Store) -> None:
    await inserted(store, *jobs(4))
    first, second = await store.jobs_write.claim(wanted("c1", limit=2))
    ended = changed(first, status=Status.COMPLETED, claim_id=None)
    await store.jobs_write.apply([write(first, ended, "x1")])
    assert await store.jobs_write.claim(wanted("c1", limit=2)) == [second]
    back = changed(second, status=Status.QUEUED, claim_id=None)
    await store.jobs_write.apply([write(second, back, "x2")])
    again = await store.jobs_write.claim(wanted("c1", limit=2))
    assert [(one.job_id, one.attempt) for one in again] == [(second.job_id, 2), (job(2).job_id, 1)]


async def test_a_claim_is_remembered_after_opening_again(place: Place) -> None:
    store = place.open()
    await inserted(store, *jobs(4))
    first = await store.jobs_write.claim(wanted("c1", limit=2))
    store = await place.reopen()
    assert await store.jobs_write.claim(wanted("c1", limit=4)) == first


async def test_of_many_claims_at_once_each_job_goes_to_one(store: Store) -> None:
    await inserted(store, *jobs(200))
    asked = [wanted(f"c{number}", limit=7, worker_id=f"w{number}") for number in range(40)]
    got = await asyncio.gather(*(store.jobs_write.claim(one) for one in asked))
    taken = [one.job_id for claim in got for one in claim]
    assert sorted(taken) == [one.job_id for one in jobs(200)]
    assert all(one.worker_id == want.claim.worker_id for want, claim in zip(asked, got, strict=True) for one in claim)


async def test_a_job_that_is_queued_again_is_claimed_again_with_a_new_number(store: Store) -> None:
    await inserted(store, job(0))
    (first,) = await store.jobs_write.claim(wanted("c1"))
    (outcome,) = await store.jobs_write.apply([write(first, changed(first, status=Status.QUEUED), "x1")])
    assert isinstance(outcome, Applied)
    (second,) = await store.jobs_write.claim(wanted("c2", worker_id="w2", session="s2"))
    assert (first.attempt, second.attempt, second.worker_id, second.session) == (1, 2, "w2", "s2")


def parted(number: int, klass: str, rank: int) -> Job:
    return job(number, rank=rank, klass=klass, spec=Spec(command=("true",), cpu=PARTS[klass].cpu))


PARTS = {"one": Part(1.0, 0), "two": Part(2.0, 0)}


async def test_a_claim_takes_no_more_than_what_is_free_and_small_ones_pass_large_ones(store: Store) -> None:
    await inserted(
        store, parted(0, "one", 0), parted(1, "two", 1), parted(2, "two", 2), parted(3, "one", 3), parted(4, "one", 4),
        job(5, rank=5), job(6, rank=6),
    )  # fmt: skip
    asked = wanted("c1", limit=5, klasses=("one", "two", ""))
    asked = msgspec.structs.replace(asked, parts=PARTS, free=Part(4.0, 0))
    assert [one.job_id for one in await store.jobs_write.claim(asked)] == [job(n).job_id for n in (0, 1, 3, 5, 6)]


async def test_only_the_first_of_all_is_claimed_ahead_of_what_is_free(store: Store) -> None:
    await inserted(store, parted(0, "two", 0), parted(1, "two", 1), parted(2, "one", 2), parted(3, "one", 3))
    asked = wanted("c1", limit=5, klasses=("one", "two"))
    asked = msgspec.structs.replace(asked, parts=PARTS, free=Part(1.0, 0), ahead=True)
    assert [one.job_id for one in await store.jobs_write.claim(asked)] == [job(0).job_id, job(2).job_id]
    again = msgspec.structs.replace(asked, claim=wanted("c2").claim, klasses=("one",))
    assert [one.job_id for one in await store.jobs_write.claim(again)] == [job(3).job_id]


async def test_a_worker_that_many_jobs_avoid_gets_what_comes_after_them(store: Store) -> None:
    await inserted(store, *jobs(600, avoid=("w1",)), *jobs(7, first=600))
    claims = [store.jobs_write.claim(wanted(f"c{number}", limit=3)) for number in range(3)]
    got = [one.job_id for claim in await asyncio.gather(*claims) for one in claim]
    assert sorted(got) == [one.job_id for one in jobs(7, first=600)]
    (first,) = await store.jobs_write.claim(wanted("c4", limit=1, worker_id="w2"))
    assert first.job_id == job(0).job_id


async def test_of_very_many_classes_the_lowest_ranks_are_claimed_first(store: Store) -> None:
    ranks = random.Random(3).sample(range(1000), 480)
    waiting = [job(number, rank=rank, klass=f"class {number % 240}") for number, rank in enumerate(ranks)]
    await inserted(store, *waiting)
    for number, limit in enumerate([100, 190, 300]):
        asked = wanted(f"c{number}", limit=limit, klasses=[f"class {one}" for one in range(240)])
        got = await store.jobs_write.claim(asked)
        assert [one.rank for one in got] == sorted(ranks)[: len(got)]
        assert len(got) == min(limit, len(ranks))
        ranks = sorted(ranks)[len(got) :]


async def test_what_does_not_fit_is_passed_however_much_there_is_of_it_and_however_many_classes(store: Store) -> None:
    await inserted(store, *jobs(600, klass="class 000", rank=7))
    await inserted(store, *(job(600 + n, klass=f"class {klass}", rank=7 + n) for n, klass in enumerate(["001", "111"])))
    asked = wanted("c1", limit=1, klasses=[f"class {one:03}" for one in range(120)])
    asked = msgspec.structs.replace(asked, parts={"class 000": Part(2.0, 0)}, free=Part(1.0, 0))
    assert [one.job_id for one in await store.jobs_write.claim(asked)] == [job(600).job_id]
