"""Submitting: answered when stored, made once however often it is sent, and bounded."""

from pathlib import Path

import pytest

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.job import Spec, Status
from cmdexec.notify.contract import JobsWaiting
from cmdexec.server.jobs import Holder
from cmdexec.server.jobs.submit import submit_key_of
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
    assert hints == [JobsWaiting(("",))]


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
    assert submit_key_of("a", "1:k", 1) != submit_key_of("a:1", "k", 1)


async def test_without_a_key_the_same_body_makes_new_jobs(server: Core) -> None:
    first = await server.jobs.submit(OWNER, SPECS, key=None, body=BODY)
    again = await server.jobs.submit(OWNER, SPECS, key=None, body=BODY)
    assert len({job.job_id for job in (*first, *again)}) == 4


async def test_a_key_older_than_its_time_is_forgotten(server: Core) -> None:
    first = await server.jobs.submit(OWNER, SPECS, key="k", body=BODY)
    server.clock.go_on(72 * 3600 - 1)
    assert await server.jobs.forget_submit_keys(10) == 0
    server.clock.go_on(2)
    assert await server.jobs.forget_submit_keys(10) == 2
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


async def test_a_draining_server_takes_no_jobs(server: Core) -> None:
    server.jobs.drain()
    with pytest.raises(Unavailable) as refused:
        await server.submit()
    assert (refused.value.code, refused.value.status) == ("draining", 503)
