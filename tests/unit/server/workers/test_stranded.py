"""No job stays with a worker that is gone, or that does not know of it, because a claim was under way meanwhile."""

import asyncio
from typing import Any

import pytest

from cmdexec.errors import Unavailable
from cmdexec.model.job import Job, Status
from tests.unit.server.core import Core, eventually


class SlowClaims:
    """Claims are answered when `go` is set; until then the first one is `made`, or not even that. Its answer may be
    `lost` on its way."""

    def __init__(self, server: Core, *, made: bool = True, lost: Exception | None = None) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self._claim, self._made, self._lost = server.jobs.claim, made, lost
        server.jobs.claim = self  # type: ignore[method-assign, assignment]

    async def __call__(self, *args: Any, **more: Any) -> list[Job]:
        if not self._made:
            await self._wait()
        jobs = await self._claim(*args, **more)
        await self._wait()
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost
        return jobs

    async def _wait(self) -> None:
        self.asked.set()
        await self.go.wait()


@pytest.mark.parametrize("drained_by", ["itself", "people"])
async def test_what_was_claimed_for_a_worker_that_drained_and_left_goes_back(server: Core, drained_by: str) -> None:
    worker = await server.connect(slots=1)
    await worker.beat()
    (job,) = await server.submit()
    claims = SlowClaims(server)
    giving = asyncio.create_task(server.dispatch.give_out())
    await claims.asked.wait()
    if drained_by == "itself":
        await worker.beat(draining=True)
    else:
        await server.reads.workers.change("w1", draining=True)
        await server.presence.changed("w1")
    worker.leave()
    claims.go.set()
    await giving
    await stands(server, job.job_id, Status.QUEUED)


async def test_a_worker_that_is_here_again_gets_what_was_claimed_for_it_without_anybody_knowing(server: Core) -> None:
    """The claim is committed after it came again, and its answer is lost."""
    worker = await server.connect(slots=1)
    await worker.beat()
    (job,) = await server.submit()
    claims = SlowClaims(server, made=False, lost=Unavailable("store_away", "The store is away."))
    giving = asyncio.create_task(server.dispatch.give_out())
    await claims.asked.wait()
    worker.leave()
    again = await server.connect(slots=1)
    await again.beat()
    claims.go.set()
    await giving
    await stands(server, job.job_id, Status.ASSIGNED)
    await again.beat()
    await eventually(again.assigned, "it was not told of it")
    assert again.assigned() == [(job.job_id, 1)]


async def stands(server: Core, job_id: str, status: Status) -> Job:
    """Wait until the job stands so."""
    async with asyncio.timeout(10):
        while (job := await server.job(job_id)).status is not status:
            await asyncio.sleep(0)
    return job
