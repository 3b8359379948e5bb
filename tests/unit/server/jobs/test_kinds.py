"""How many classes of jobs one owner may have waiting."""

import asyncio
from pathlib import Path

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Spec
from cmdexec.server.jobs import Holder
from tests.unit.server.core import OWNER, Core, core

DAY_MS = 24 * 3600 * 1000


async def kind(server: Core, number: int, *, owner: str = OWNER, run_at: int | None = None) -> str:
    """A job that needs something else for each number; its class."""
    spec = Spec(command=("true",), requires={"kind": str(number)}, run_at=run_at)
    (job,) = await server.jobs.submit(owner, [spec], key=None, body=b"{}")
    return job.klass


async def test_one_user_may_have_so_many_classes_and_others_are_not_concerned(tmp_path: Path) -> None:
    async with core(tmp_path, max_classes_per_user=2) as server:
        klasses = [await kind(server, number) for number in (1, 2, 1, 2)]
        assert len(set(klasses)) == 2
        with pytest.raises(Unavailable, match=r"are of 2 kinds, and these of 1 more; 2 may be\.") as full:
            await kind(server, 3)
        assert (full.value.code, full.value.status, full.value.field) == ("queue_full", 429, "requires")
        await server.submit(5)
        await kind(server, 3, owner="another")
        assert await server.reads.jobs.waiting_of(OWNER) == 9, "what was refused left nothing behind"


async def test_what_has_begun_makes_room_and_what_is_on_its_way_does_not(tmp_path: Path) -> None:
    async with core(tmp_path, max_classes_per_user=2) as server:
        first, _ = await kind(server, 1), await kind(server, 2)
        claimed = await server.jobs.claim(Holder("w1", "s1"), claim_id="c", klasses=(first,), limit=1, most=1 << 20)
        assert len(claimed) == 1
        with pytest.raises(Unavailable):
            await kind(server, 3)
        server.clock.go_on(11)
        await kind(server, 3)
        with pytest.raises(Unavailable):
            await kind(server, 4)


async def test_a_job_that_is_not_due_yet_counts_although_nothing_is_queued(tmp_path: Path) -> None:
    async with core(tmp_path, max_classes_per_user=1) as server:
        await kind(server, 1, run_at=server.clock.now() + DAY_MS)
        server.clock.go_on(3600)
        with pytest.raises(Unavailable):
            await kind(server, 2)


async def test_a_list_that_is_too_varied_is_refused_as_a_whole(tmp_path: Path) -> None:
    async with core(tmp_path, max_classes_per_user=3) as server:
        specs = [Spec(command=("true",), requires={"kind": str(number % 4)}) for number in range(12)]
        with pytest.raises(Unavailable, match=r"of 0 kinds, and these of 4 more"):
            await server.jobs.submit(OWNER, specs, key=None, body=b"{}")
        assert len(await server.jobs.submit(OWNER, specs[:3], key="k", body=b"{}")) == 3
        with pytest.raises(Unavailable):
            await server.jobs.submit(OWNER, specs[3:4], key=None, body=b"{}")
        assert await server.reads.jobs.waiting_of(OWNER) == 3


async def test_submissions_side_by_side_pass_the_bound_no_more_than_one_alone(tmp_path: Path) -> None:
    async with core(tmp_path, max_classes_per_user=3) as server:
        outcomes = await asyncio.gather(*(kind(server, number) for number in range(10)), return_exceptions=True)
        assert sum(isinstance(one, Unavailable) for one in outcomes) == 7
        assert len(await server.reads.classes.all()) == 3
