"""The calls about jobs."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal

import msgspec

from cmdexec.client.caller import Caller
from cmdexec.client.follow import Start
from cmdexec.client.keys import LISTED_MOST, checked_key
from cmdexec.client.patience import Patience
from cmdexec.client.wanted import batches
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.protocol import listing, requests
from cmdexec.protocol.listing import JobRow, JobsPage, JobsQuery
from cmdexec.protocol.requests import CancelView, JobView, NewJob

_READ_PIECE = 256 * 1024

_IDS_PER_CALL = requests.STATUS_MAX
"""They stand in the address, whose length a server bounds."""


class JobCalls(Caller):
    """Submit, look, cancel, run again, and read what was written."""

    async def submit(self, job: NewJob, *, key: str | None = None, patience: Patience | None = None) -> JobView:
        """Submit one job; it is on the server's disk when this returns.

        `key`, of 1 to 180 printable ASCII characters without spaces, makes the call safe to repeat for 72 hours by
        whoever makes it; without one, repeats that this call itself makes are safe. `patience`: one by which somebody
        else may end the tries.
        """
        headers = self._key(checked_key(key))
        return await self._call("jobs.create", job, JobView, headers=headers, patience=patience)

    async def submit_all(
        self, jobs: Sequence[NewJob], *, key: str | None = None, patience: Patience | None = None
    ) -> tuple[JobView, ...]:
        """Submit up to 1,000 jobs, all or none; they come back in the order given."""
        headers = self._key(checked_key(key, LISTED_MOST))
        answer = await self._call("jobs.create", list(jobs), requests.JobsView, headers=headers, patience=patience)
        return answer.jobs

    async def submit_many(
        self, jobs: Iterable[NewJob], *, key: str | None = None, patience: Patience | None = None
    ) -> list[JobView]:
        """Submit any number of jobs, in lists that a server takes, each all or none; they come back in the order given.

        When it raises, the lists before the one that failed have been submitted. `key` as of `submit`, for the same
        jobs: the lists have `key-1`, `key-2` and so on. No list begins after `patience` was ended.
        """
        checked_key(key)
        found: list[JobView] = []
        patience = patience or self.patience()
        for number, batch in enumerate(batches(jobs), 1):
            if patience.ended:
                break
            found += await self.submit_all(batch, key=key and f"{key}-{number}", patience=patience)
            patience.answered()
        return found

    async def status(self, job_id: str, *, patient: bool = True) -> JobView:
        """How a job stands; not `patient`: as far as that can be had now. Raises Refused("not_found")."""
        return await self._call("jobs.status", requests.JobQuery(job_id=(job_id,)), JobView, patient=patient)

    async def statuses(self, job_ids: Sequence[str]) -> tuple[JobView, ...]:
        """How jobs stand, in the order asked. Raises Refused("not_found") if one of them is not there."""
        found: list[JobView] = []
        for begin in range(0, len(job_ids), _IDS_PER_CALL):
            piece = tuple(job_ids[begin : begin + _IDS_PER_CALL])
            if len(piece) == 1:
                found.append(await self.status(piece[0]))
                continue
            answer = await self._call("jobs.status", requests.JobQuery(job_id=piece), requests.JobsView)
            found += answer.jobs
        return tuple(found)

    async def jobs(self, query: JobsQuery | None = None) -> AsyncIterator[JobRow]:
        """The jobs that `query` asks for, the newest first, all of them: page after page is asked for as they are
        taken. `query.limit` is the size of a page."""
        query = query or JobsQuery()
        while True:
            page = await self.jobs_page(query)
            for row in page.jobs:
                yield row
            if page.next is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next)

    async def jobs_page(self, query: JobsQuery) -> JobsPage:
        """One page of them; `next` is the `cursor` of the page after it."""
        return await self._call("jobs.list", query, JobsPage)

    async def cancel(self, *job_ids: str) -> tuple[CancelView, ...]:
        """End up to 1,000 jobs; says of each what happened, `not_found` too."""
        answer = await self._call("jobs.cancel", requests.CancelJobs(job_id=job_ids), requests.CancelledView)
        return answer.jobs

    async def rerun(self, job_id: str, *, key: str | None = None) -> JobView:
        """Submit anew what that job was asked to do; gives the new job. `key` as of `submit`."""
        request = listing.RerunJob(job_id=job_id)
        return await self._call("jobs.rerun", request, JobView, headers=self._key(checked_key(key)))

    async def requeue(self, job_id: str, *, accept_duplicate: bool = False) -> JobView:
        """Run a job again whose fate is not known (`unknown`). Raises Conflict unless `accept_duplicate` says that it
        may run twice: its worker may come back with it."""
        request = listing.RequeueJob(job_id=job_id, accept_duplicate=accept_duplicate)
        return await self._call("jobs.requeue", request, JobView)

    async def output(
        self, job_id: str, stream: Literal["stdout", "stderr"] = "stdout", *, attempt: int | None = None,
        start: int = 0, end: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """The stored bytes [start, end) of a stream in pieces; `end` None: as far as it goes.

        `attempt` None: of the last one that has begun; name one of a job that may run again meanwhile. A broken
        connection is taken up where it broke.
        """
        patience = self.patience()
        request = requests.OutputQuery(job_id=job_id, stream=stream, attempt=attempt)
        while end is None or start < end:
            last = "" if end is None else str(end - 1)
            headers = {"Range": f"bytes={start}-{last}", "Accept": "application/octet-stream"}
            try:
                async with self.open("jobs.output", request, headers=headers) as answer:
                    if answer.status != 206 and (start > 0 or end is not None):
                        raise CmdexecError("protocol_mismatch", "The server does not answer by byte range.")
                    async for piece in answer.content.iter_chunked(_READ_PIECE):
                        start += len(piece)
                        patience.answered()
                        yield piece
                return
            except Unavailable as wrong:
                if not self.worth_waiting(wrong):
                    raise
                await patience.wait(wrong)
            except CmdexecError as wrong:
                if wrong.code == "range_not_satisfiable":
                    return  # nothing is stored from `start` on
                raise

    async def start_of_tail(self, job_id: str, size: int) -> Start | None:
        """Where to begin to `follow`, so that of what is stored by now only the last `size` bytes of each stream come;
        None, the beginning, of a job that has not begun."""
        job = await self.status(job_id)
        if not job.attempts:
            return None
        last = job.attempts[-1]
        stored = last.output or job.output
        return Start(last.attempt, max(0, stored.stdout.bytes - size), max(0, stored.stderr.bytes - size))
