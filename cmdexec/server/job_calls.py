"""What people do with jobs, as a server is given it. Names things and hands them to each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cmdexec.model.job import Job
from cmdexec.notify.contract import Notify
from cmdexec.protocol.requests import Nothing, WorkersView, WorkerView
from cmdexec.runtime import Runtime
from cmdexec.server.api.again import AgainApi
from cmdexec.server.api.handler import Call, Handler, Handlers
from cmdexec.server.api.jobs import JobsApi
from cmdexec.server.api.listing import ListingApi
from cmdexec.server.api.output import OutputApi
from cmdexec.server.api.shows import ApiShows
from cmdexec.server.api.views import Fleet
from cmdexec.server.identity import NOBODY
from cmdexec.server.jobs import Jobs
from cmdexec.server.live import Live
from cmdexec.server.output import Follower, OutputReader
from cmdexec.settings.server import ServerSettings
from cmdexec.store.contract.reads import Reads


@dataclass(frozen=True, slots=True)
class JobCalls:
    """`jobs`: how a job is answered, also to others; `live`: what is told of it as it changes; `handlers` are those of
    its operations."""

    jobs: JobsApi
    live: Live
    handlers: tuple[Handlers, ...]


def build_job_calls(
    settings: ServerSettings, runtime: Runtime, reads: Reads, notify: Notify, jobs: Jobs, *, fleet: Fleet,
    workers: Handler, recall: Callable[[str], Job | None],
) -> JobCalls:  # fmt: skip
    """Make them. `fleet`: why a job waits for a worker, in words; `workers`: lists all workers; `recall`: a job that a
    worker of this server holds, as last seen."""
    follower = Follower(reads=reads, notify=notify, settings=settings)
    jobs_api = JobsApi(
        jobs, reads, fleet=fleet, max_batch=settings.max_batch_jobs, max_spec_bytes=settings.max_frame_bytes // 2
    )
    listing = ListingApi(
        reads.lists, runtime.clock, fleet=fleet, scan=settings.list_scan_jobs, scan_bytes=settings.list_scan_bytes,
        look=settings.list_look_jobs, newest=settings.list_newest_jobs,
    )  # fmt: skip

    async def all_workers() -> Sequence[WorkerView]:
        listed: WorkersView = (await workers(Call(NOBODY, Nothing()))).body
        return listed.workers

    shows = ApiShows(reads.lists, fleet=fleet, views=jobs_api.views, workers=all_workers)
    return JobCalls(
        jobs_api,
        Live(reads=reads.jobs, shows=shows, notify=notify, clock=runtime.clock, settings=settings, recall=recall),
        (
            jobs_api.handlers(),
            listing.handlers(),
            AgainApi(jobs, reads.jobs, view=jobs_api.stored).handlers(),
            OutputApi(reads, OutputReader(reads.output), follower, fleet.called).handlers(),
        ),
    )
