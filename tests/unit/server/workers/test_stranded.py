"""No job stays with a worker that is gone, or that does not know of it, because a claim was under way meanwhile."""

import asyncio
from typing import Any

import pytest

from cmdexec.model.job import Job, Status
from tests.unit.server.core import Core


class SlowClaims:
    """Claims are answered when `go` is set: what they claimed is committed before, or with `early` false after that.
    The first answer may be `lost` on its way."""

    def __init__(self, server: Core, *, early: bool = True, lost: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self._claim = server.jobs.claim
        self._early = early
        self._lost = lost
        server.jobs.claim = self  # type: ignore[method-assign, assignment]

    async def __call__(self, *args: Any, **more: Any) -> list[Job]:
        if not self._early:
            self.asked.set()
            await self.go.wait()
        jobs = await self._claim(*args, **more)
        self.asked.set()
        await self.go.wait()
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost
        return jobs


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


async def stands(server: Core, job_id: str, status: Status) -> Job:
    """Wait until the job stands so."""
    async with asyncio.timeout(10):
        while (job := await server.job(job_id)).status is not status:
            await asyncio.sleep(0)
    return job
