"""Submitting: answered when stored, made once however often it is sent, and bounded."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.job import Spec, Status
from cmdexec.notify.contract import JobsWaiting
from cmdexec.server.jobs import Holder, room
from cmdexec.server.jobs.submit import submit_key
from tests.unit.server.core import OWNER, Core, core

SPECS = [Spec(command=("true",)), Spec(command="echo")]
BODY = b"[1, 2]"


async def test_jobs_are_stored_in_the_order_sent_and_announced(server: Core) -> None:
    hints: list[JobsWaiting] = []
    server.notify.listen(JobsWaiting, hints.append)
    jobs = await server.jobs.submit(OWNER, SPECS, key=None, body=BODY)
    assert [job.spec for job in jobs] == SPECS
    assert [await server.job(job.job_id) for job in jobs] == jobs
    assert {job.status for job in jobs} == {Status.QUEUED}
    assert hints == [JobsWaiting(("",), jobs[0].job_id)]


async def test_the_same_key_gives_the_same_jobs_and_makes_no_more(server: Core) -> None:
    first = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    await server.jobs.cancel([first[0].job_id], "me")
    again = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    assert [job.job_id for job in again] == [job.job_id for job in first]
    assert again[0].status is Status.CANCELLED
    assert (await server.reads.jobs.counts())[Status.QUEUED] == 1


@pytest.mark.parametrize(("specs", "body"), [(SPECS, b"other"), ([*SPECS, *SPECS], b"longer")])
async def test_the_same_key_with_another_body_is_refused(server: Core, specs: list[Spec], body: bytes) -> None:
    await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    with pytest.raises(Refused) as refused:
        await server.jobs.submit(OWNER, specs, key="k", body=body)
    assert refused.value.code == "key_reused"
    assert (await server.reads.jobs.counts())[Status.QUEUED] == 2


async def test_keys_of_two_owners_do_not_meet(server: Core) -> None:
    mine = await server.jobs.submit("a", SPECS, key="k", body=BODY)
    theirs = await server.jobs.submit("b", SPECS, key="k", body=BODY)
    assert {job.job_id for job in mine}.isdisjoint(job.job_id for job in theirs)
    assert submit_key("a", "1:k") != submit_key("a:1", "k")


async def test_without_a_key_the_same_body_makes_new_jobs(server: Core) -> None:
    first = await server.jobs.submit(OWNER, SPECS, key=None, body=BODY)
    again = await server.jobs.submit(OWNER, SPECS, key=None, body=BODY)
    assert len({job.job_id for job in (*first, *again)}) == 4


async def test_a_key_older_than_its_time_is_forgotten(server: Core) -> None:
    first = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    server.clock.go_on(72 * 3600 - 1)
    assert await server.jobs.forget_submit_keys(10) == 0
    server.clock.go_on(2)
    assert await server.jobs.forget_submit_keys(10) == 1
    again = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    assert {job.job_id for job in first}.isdisjoint(job.job_id for job in again)


async def test_one_user_may_have_so_many_jobs_waiting_and_others_are_not_concerned(tmp_path: Path) -> None:
    async with core(tmp_path, max_queued_per_user=3) as server:
        await server.submit(2)
        with pytest.raises(Unavailable) as full:
            await server.submit(2)
        assert (full.value.code, full.value.status) == ("queue_full", 429)
        await server.jobs.submit("another", SPECS, key=None, body=BODY)
        await server.submit(1)
        with pytest.raises(Unavailable, match="3 jobs"):
            await server.submit(1)
        await server.claim(Holder("w1", "s1"), limit=4)
        await server.submit(1)


async def test_a_repeat_with_its_key_is_answered_although_the_queue_is_full(tmp_path: Path) -> None:
    async with core(tmp_path, max_queued_per_user=3) as server:
        first = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
        assert await server.jobs.submit(OWNER, SPECS, key="k", body=BODY) == first
        with pytest.raises(Refused, match="another body"):
            await server.jobs.submit(OWNER, SPECS, key="k", body=b"other")
        with pytest.raises(Unavailable, match="2 jobs"):
            await server.jobs.submit(OWNER, SPECS, key="another", body=BODY)
        await server.submit(1)


async def test_a_repeat_with_its_key_is_answered_although_the_disk_is_full(tmp_path: Path) -> None:
    async with core(tmp_path) as server:
        first = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
        server.store.jobs_write._has_room = lambda: False  # type: ignore[attr-defined]
        assert await server.jobs.submit(OWNER, SPECS, key="k", body=BODY) == first
        with pytest.raises(Unavailable) as full:
            await server.jobs.submit(OWNER, SPECS, key="another", body=BODY)
        assert full.value.code == "disk_full"


async def test_submits_side_by_side_pass_the_bound_of_a_user_no_more_than_one_alone(tmp_path: Path) -> None:
    async with core(tmp_path, max_queued_per_user=10) as server:
        for _ in range(2):  # nothing is known of the owner yet, then it is
            outcomes = await asyncio.gather(*(server.submit(4) for _ in range(8)), return_exceptions=True)
            refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
            assert {outcome.code for outcome in refused} == {"queue_full"}
            assert len(refused) == 6
            assert await server.reads.jobs.waiting_of(OWNER) == 8
            await server.claim(Holder("w1", "s1"), limit=8)


async def test_what_was_reserved_and_not_needed_is_given_back(tmp_path: Path) -> None:
    async with core(tmp_path, max_queued_per_user=4) as server:
        asked = []
        count = server.reads.jobs.waiting_of

        async def waiting_of(owner: str) -> int:
            asked.append(owner)
            return await count(owner)

        server.reads.jobs.waiting_of = waiting_of  # type: ignore[method-assign]
        for _ in range(5):
            await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
        await server.submit(2)
        assert asked == [OWNER], "a repeat counts as if it had made jobs"


async def test_jobs_that_may_have_been_stored_count(tmp_path: Path) -> None:
    async with core(tmp_path, max_queued_per_user=4) as server:
        insert = server.store.jobs_write.insert

        async def lost(jobs: Any, _standing: Any) -> Any:
            await insert(jobs)
            raise Unavailable("store_away", "The answer was lost.")

        await server.submit(1)
        server.store.jobs_write.insert = lost  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="lost"):
            await server.submit(3)
        server.store.jobs_write.insert = insert  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="4 jobs"):
            await server.submit(1)


async def test_a_draining_server_takes_no_jobs(server: Core) -> None:
    server.jobs.drain()
    with pytest.raises(Unavailable) as refused:
        await server.submit()
    assert (refused.value.code, refused.value.status) == ("draining", 503)


async def test_of_owners_that_come_and_go_only_so_many_are_remembered(
    server: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_OWNERS_MAX", 3)
    limit = room.Room(server.reads.jobs, 10)
    for number in range(6):
        await limit.reserve(f"owner {number}", 2)
        if number != 1:
            limit.added(f"owner {number}", 2)
    assert list(limit._owners) == ["owner 1", "owner 4", "owner 5"]
