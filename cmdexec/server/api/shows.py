"""How live events show what is stored: as the operations of the same name do."""

from collections.abc import Awaitable, Callable, Sequence

from cmdexec.model.job import Job, Status
from cmdexec.protocol.listing import JobRow
from cmdexec.protocol.requests import JobsView, JobView, WorkerView
from cmdexec.server.api.listing import job_row
from cmdexec.server.api.views import Fleet, job_view, needs_row
from cmdexec.store.contract.listing import Filter, JobLists, PageWanted


class ApiShows:
    """`cmdexec.server.live.Shows`. `fleet`: why a job waits, in words; `views`: jobs as they are answered; `workers`:
    all workers."""

    def __init__(
        self, lists: JobLists, *, fleet: Fleet, views: Callable[[Sequence[Job]], Awaitable[JobsView]],
        workers: Callable[[], Awaitable[Sequence[WorkerView]]],
    ) -> None:  # fmt: skip
        self._lists = lists
        self._fleet = fleet
        self._views = views
        self._workers = workers

    def at_once(self, job: Job) -> JobView | None:
        looks_up = job.status is Status.QUEUED or needs_row([job])
        return None if looks_up else job_view(job, self._fleet(job), called=self._fleet.called)

    async def jobs(self, jobs: Sequence[Job]) -> Sequence[JobView]:
        return (await self._views(jobs)).jobs

    def row(self, job: Job) -> JobRow:
        return job_row(job, self._fleet)

    async def newest(self, limit: int) -> Sequence[Job]:
        found: list[Job] = []
        after: str | None = None
        while True:
            page = await self._lists.page(PageWanted(Filter(), limit - len(found), limit + 1, 0, after=after))
            found += page.jobs
            after = page.next
            if after is None or len(found) >= limit:
                return found

    async def workers(self) -> Sequence[WorkerView]:
        return await self._workers()
