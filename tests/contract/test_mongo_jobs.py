"""Jobs in a MongoDB that several servers share: each is claimed once, and a batch is there whole or not at all, even if
something breaks off in the midst of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job, Status
from cmdexec.store.contract.jobs_write import Applied, Inserted, NotWritten, Present
from cmdexec.store.contract.listing import Filter, PageWanted
from tests.contract.engines import Place, Store
from tests.contract.making import NOW, changed, inserted, job, jobs, wanted, write
from tests.contract.mongo import client, failing, name_of

UNCONFIRMED: dict[str, Any] = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
CLAIMS = 2500


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    place = Place("mongo", folder)
    yield place
    await place.end()


@pytest.fixture
async def servers(place: Place) -> tuple[Store, Store]:
    both = place.open(), place.open()
    for one in both:
        await one.reads.health.commit()
    return both


def ids(of: Sequence[Job]) -> list[str]:
    return [one.job_id for one in of]


async def seen(store: Store, of: Sequence[Job]) -> list[str]:
    """Which of them are there, for whoever asks for them by id, by list or as what waits."""
    got = [one for one in await store.reads.jobs.get(ids(of)) if one is not None]
    page = await store.reads.lists.page(PageWanted(Filter(), 1000, 1000, 0, newest_first=False))
    assert ids(page.jobs) == ids(got)
    assert await store.reads.jobs.waiting_of("owner") == len(got)
    return ids(got)


def left_over(place: Place) -> int:
    """Documents of batches that are not settled, and jobs that nobody sees."""
    database = client()[name_of(place.folder)]
    return database.batches.count_documents({}) + database.jobs.count_documents({"status": "staged"})


@pytest.mark.timeout(120)
async def test_of_5000_claims_by_two_servers_at_once_none_gets_what_another_has(servers: tuple[Store, Store]) -> None:
    for first in range(0, 2 * CLAIMS, 1000):
        await servers[0].jobs_write.insert(jobs(1000, first, submit_key=""))

    async def worker(name: str, server: Store, claims: int) -> list[Job]:
        got = []
        for number in range(claims):
            got += await server.jobs_write.claim(wanted(f"{name}-{number}", limit=1, worker_id=name))
        return got

    lanes = 50
    each = await asyncio.gather(*(
        worker(f"w{lane}-{number}", server, CLAIMS // lanes)
        for number, server in enumerate(servers) for lane in range(lanes)
    ))  # fmt: skip
    taken = [one for got in each for one in got]
    assert sorted(ids(taken)) == ids(jobs(2 * CLAIMS))
    assert await servers[1].reads.jobs.get(ids(taken)) == taken


async def test_a_batch_that_its_server_did_not_complete_is_not_there_and_another_server_adds_it(
    servers: tuple[Store, Store], place: Place
) -> None:
    one, other = servers
    with failing(place.folder, "batches", "insert", errorCode=8):
        with pytest.raises(Unavailable):
            await one.jobs_write.insert(jobs(5))
    assert left_over(place) == 5
    assert await seen(other, jobs(5)) == []
    assert await other.jobs_write.claim(wanted("c1")) == []
    assert await other.reads.jobs.by_submit_keys(["key-0", "key-4"]) == []
    assert await other.jobs_write.insert(jobs(5)) == Inserted()
    assert await seen(one, jobs(5)) == ids(jobs(5))


async def test_a_batch_that_is_stored_and_not_shown_is_found_whole_by_its_keys(
    servers: tuple[Store, Store], place: Place
) -> None:
    one, other = servers
    with failing(place.folder, "jobs", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await one.jobs_write.insert(jobs(5))
    assert await seen(other, jobs(5)) == []
    assert await other.reads.jobs.by_submit_keys(["key-3"]) == [job(3)]
    assert await seen(other, jobs(5)) == ids(jobs(5))
    assert await one.jobs_write.insert([job(20), job(2)]) == Present((job(2),))


async def test_a_batch_that_is_stored_and_not_shown_is_present_for_who_sends_it_again(
    servers: tuple[Store, Store], place: Place
) -> None:
    one, other = servers
    batch = jobs(5, submit_key="the key")
    with failing(place.folder, "jobs", "update", errorCode=8):
        with pytest.raises(Unavailable):
            await one.jobs_write.insert(batch)
    again = jobs(5, first=50, submit_key="the key")
    assert await other.jobs_write.insert(again) == Present(tuple(batch))
    assert await seen(other, [*batch, *again]) == ids(batch)


@pytest.mark.parametrize(("collection", "command", "there"), [("batches", "insert", 0), ("jobs", "update", 5)])
async def test_what_a_server_that_died_left_half_done_is_settled_by_whoever_tidies_up(
    servers: tuple[Store, Store], place: Place, collection: str, command: str, there: int
) -> None:
    one, other = servers
    with failing(place.folder, collection, command, errorCode=8):
        with pytest.raises(Unavailable):
            await one.jobs_write.insert(jobs(5))
    for _ in range(3):
        assert await other.jobs_write.forget_submit_keys(0, 10) == 0
    assert await seen(other, jobs(5)) == [], "it may still be on its way"
    for _ in range(3):
        place.go_on(3600)
        await other.jobs_write.forget_submit_keys(0, 10)
    assert await seen(other, jobs(5)) == ids(jobs(5))[:there]
    assert left_over(place) == 0


async def test_of_two_servers_that_add_the_same_batch_at_once_one_does(servers: tuple[Store, Store]) -> None:
    for number in range(10):
        first, second = jobs(7, 100 * number), jobs(7, 100 * number)[::-1]
        outcomes = await asyncio.gather(servers[0].jobs_write.insert(first), servers[1].jobs_write.insert(second))
        assert [type(one) for one in outcomes].count(Inserted) == 1, outcomes
        (present,) = [one for one in outcomes if isinstance(one, Present)]
        assert sorted(ids(present.jobs)) == ids(first)
        assert await servers[0].reads.jobs.get(ids(first)) == first


async def test_a_batch_that_another_server_gave_up_is_not_completed(servers: tuple[Store, Store], place: Place) -> None:
    """It was only slow; the other one has added the same jobs meanwhile."""
    one, other = servers
    batch, again = jobs(5, submit_key="the key"), jobs(5, first=50, submit_key="the key")
    with failing(place.folder, "batches", "insert", blockConnection=True, blockTimeMS=2000) as entered:
        slow = asyncio.create_task(one.jobs_write.insert(batch))
        await asyncio.to_thread(entered)
        assert await other.jobs_write.insert(again) == Inserted()
    assert not slow.done()
    assert await slow == Present(tuple(again))
    assert await seen(one, [*batch, *again]) == ids(again)


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_claim_whose_outcome_was_not_known_has_its_jobs_when_it_is_asked_again(
    servers: tuple[Store, Store], place: Place, limit: int
) -> None:
    one, other = servers
    await inserted(one, *jobs(6))
    with failing(place.folder, "jobs", "update", **UNCONFIRMED):
        with pytest.raises(Unavailable):
            await one.jobs_write.claim(wanted("c1", limit=limit))
    again = await other.jobs_write.claim(wanted("c1", limit=limit))
    assert ids(again) == ids(jobs(limit))
    assert (await one.reads.jobs.counts())[Status.ASSIGNED] == limit


async def test_the_same_claim_asked_of_two_servers_at_once_takes_its_jobs_once(
    servers: tuple[Store, Store], place: Place
) -> None:
    """Both have read what waits before either writes: as when it is asked again while the first call is under way."""
    await inserted(servers[0], *jobs(6))
    asked = wanted("c1", limit=2)
    with failing(place.folder, "jobs", "update", times=2, blockConnection=True, blockTimeMS=500) as entered:
        first = asyncio.create_task(servers[0].jobs_write.claim(asked))
        await asyncio.to_thread(entered)
        again = await servers[1].jobs_write.claim(msgspec.structs.replace(asked, now=NOW + 5))
    assert again == await first
    assert ids(again) == ids(jobs(2))
    assert (await servers[0].reads.jobs.counts())[Status.ASSIGNED] == 2


async def test_changes_whose_outcome_was_not_known_are_written_once(servers: tuple[Store, Store], place: Place) -> None:
    one, other = servers
    await inserted(one, *jobs(2))
    first = [changed(before, message="first") for before in jobs(2)]
    second = changed(first[0], message="second")
    writes = [write(job(0), first[0], "x0"), write(job(1), first[1], "x1"), write(first[0], second, "x2")]
    with failing(place.folder, "jobs", "update", **UNCONFIRMED):
        with pytest.raises(Unavailable):
            await one.jobs_write.apply(writes)
    assert await other.jobs_write.apply(writes) == [Applied(each.job) for each in writes]
    assert await one.reads.jobs.get(ids(jobs(2))) == [second, first[1]]


async def test_a_change_that_was_written_is_told_so_although_another_server_changed_the_job_at_once(
    servers: tuple[Store, Store], place: Place
) -> None:
    """One change of two conflicts, so it is looked which was written; before that, the job is changed again."""
    one, other = servers
    await inserted(one, *jobs(2))
    theirs = changed(job(0), message="theirs")
    await other.jobs_write.apply([write(job(0), theirs, "x0")])
    mine = changed(job(1), message="mine")
    writes = [write(job(0), changed(job(0)), "x1"), write(job(1), mine, "x2")]
    with failing(place.folder, "jobs", "find", blockConnection=True, blockTimeMS=1000) as entered:
        asked = asyncio.create_task(one.jobs_write.apply(writes))
        await asyncio.to_thread(entered)
        since = changed(mine, message="since")
        assert await other.jobs_write.apply([write(mine, since, "x3")]) == [Applied(since)]
    assert not asked.done()
    assert await asked == [NotWritten(theirs), Applied(mine)]


async def test_numbers_of_jobs_rise_whichever_server_adds_them(servers: tuple[Store, Store]) -> None:
    added = [job(number, created_at=NOW - number, rank=0) for number in range(8)]
    for number, one in enumerate(added):
        await inserted(servers[number % 2], one)
    page = await servers[0].reads.lists.page(PageWanted(Filter(), 100, 100, 0, newest_first=False))
    assert ids(page.jobs) == ids(added)
    assert ids(await servers[1].jobs_write.claim(wanted("c1"))) == ids(added)
