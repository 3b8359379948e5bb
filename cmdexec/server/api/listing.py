"""Lists of jobs."""

import asyncio

from msgspec.structs import replace

from cmdexec.clock import Clock, rfc3339
from cmdexec.errors import Refused
from cmdexec.model.job import Job, Reason, Status
from cmdexec.model.sentences import by_name
from cmdexec.protocol.listing import JobRow, JobsPage, JobsQuery
from cmdexec.protocol.moments import EXAMPLE, moment_or_before
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.api.jobs import owner_of
from cmdexec.server.api.views import Fleet
from cmdexec.store.contract.listing import BadCursor, Filter, JobLists, Page, PageWanted, shortened

_READ_AT_ONCE = 4
"""Pages being read at once, of all that are asked for; the others wait."""


class ListingApi:
    """`jobs.list`. `fleet`: why a job waits, in words; `scan`, `scan_bytes`, `newest`: as in `PageWanted`; `look`:
    about so many jobs are looked at before a page is given that is empty and not the last."""

    def __init__(
        self, lists: JobLists, clock: Clock, *, fleet: Fleet, scan: int, scan_bytes: int, look: int, newest: int
    ) -> None:
        self._lists = lists
        self._clock = clock
        self._fleet = fleet
        self._scan = scan
        self._scan_bytes = scan_bytes
        self._looks = -(-look // scan)
        self._newest = newest
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)

    def handlers(self) -> Handlers:
        return {"jobs.list": self.list}

    async def list(self, call: Call) -> Reply:
        asked: JobsQuery = call.request
        now = self._clock.now()
        which = Filter(
            statuses=frozenset(map(Status, asked.status)), reasons=frozenset(map(Reason, asked.reason)),
            tags=frozenset(asked.tag), worker=asked.worker, begins=asked.q,
            owner=owner_of(call) if asked.owner == "me" else None,
            since=_moment(asked.since, "from", now), until=_moment(asked.to, "to", now),
        )  # fmt: skip
        wanted = PageWanted(
            which, asked.limit, self._scan, self._newest, newest_first=asked.order == "new", after=asked.cursor,
            scan_bytes=self._scan_bytes,
        )  # fmt: skip
        try:
            page = await self._page(wanted)
        except BadCursor:
            raise Refused(
                "invalid_field", "`cursor` must be what a page before this one gave as `next`.", field="cursor"
            ) from None
        await self._fleet.look(page.jobs)
        return Reply(JobsPage(jobs=tuple(job_row(job, self._fleet) for job in page.jobs), next=page.next))

    async def _page(self, wanted: PageWanted) -> Page:
        """The first page from there that has something, if it is not too far away. Others read in between. Raises
        BadCursor."""
        for _ in range(self._looks):
            async with self._reading:
                page = await self._lists.page(wanted)
            if page.jobs or page.next is None:
                break
            wanted = replace(wanted, after=page.next)
        return page


def job_row(job: Job, fleet: Fleet) -> JobRow:
    """A job in a list."""
    spec, why = job.spec, fleet(job)
    why = None if why is None or why.phase is not None else why
    return JobRow(
        job_id=job.job_id,
        name=spec.name,
        command=shortened(spec.command),
        status=job.status.value,
        reason=job.reason.value if job.reason else None,
        exit_code=job.exit_code,
        signal=job.signal,
        message=by_name(job.message, (job.worker_id,), fleet.called),
        waiting_for=why.sentence if why is not None else None,
        waiting_mend=why.mend if why is not None else None,
        attempt=job.attempt,
        run=job.runs,
        worker_id=job.worker_id,
        priority=spec.priority,
        tags=spec.tags,
        created_at=rfc3339(job.created_at) or "",
        queued_at=rfc3339(job.queued_at),
        started_at=rfc3339(job.started_at),
        finished_at=rfc3339(job.finished_at),
        cancel_requested=job.cancel_requested,
        confirmed=job.confirmed,
    )


def _moment(text: str | None, field: str, now: int) -> int | None:
    if text is None:
        return None
    found = moment_or_before(text, now)
    if found is None:
        raise Refused(
            "invalid_field", f"`{field}` must be a moment such as {EXAMPLE}, or so long before now, such as -7d or"
            " -12h.", field=field,
        )  # fmt: skip
    return found
