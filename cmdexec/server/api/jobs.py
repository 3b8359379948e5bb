"""Submitting, looking at and cancelling jobs."""

import contextlib
from collections.abc import Sequence
from typing import Literal, cast

from msgspec.structs import replace

from cmdexec.errors import Refused, Unavailable
from cmdexec.model.batch import Batch
from cmdexec.model.job import Backoff, Container, Job, OnLost, Spec
from cmdexec.protocol.codec import encode
from cmdexec.protocol.moments import EXAMPLE, moment
from cmdexec.protocol.requests import (
    CancelJobs,
    CancelledView,
    CancelView,
    JobQuery,
    JobsView,
    NewJob,
)
from cmdexec.server.api.handler import JSON, Call, Handlers, Reply
from cmdexec.server.api.pages import END, START, WHOLE_BYTES, Pages, pages
from cmdexec.server.api.views import Fleet, Rows, as_json, job_views, needs_row
from cmdexec.server.jobs import Jobs
from cmdexec.store.contract.reads import Reads

KEY_HEADER = "Idempotency-Key"
_KEY_MAX = 200

OWN_ENV = frozenset({"CMDEXEC_JOB_ID", "CMDEXEC_ATTEMPT"})
"""Set by the worker: what a job can fence its own work with (promise 3)."""

_SHORT = 8
"""A body that is so many times shorter than a job may be holds none that is longer: what was sent as JSON stays about
as long."""

_Outcome = Literal["cancelled", "asked", "too_late", "not_found"]


class JobsApi:
    """`jobs.create`, `jobs.status`, `jobs.cancel`. `fleet` says in words why a job waits for a worker, or with
    one."""

    def __init__(self, jobs: Jobs, reads: Reads, *, fleet: Fleet, max_batch: int, max_spec_bytes: int) -> None:
        self._jobs = jobs
        self._reads = reads
        self._fleet = fleet
        self._max_batch = max_batch
        self._max_spec = max_spec_bytes
        self._pages = Pages(self._found, self.views)

    def handlers(self) -> Handlers:
        return {"jobs.create": self.create, "jobs.status": self.status, "jobs.cancel": self.cancel}

    async def create(self, call: Call) -> Reply:
        asked: Sequence[NewJob] = call.request
        if not 0 < len(asked) <= self._max_batch:
            raise Refused(
                "invalid_field", f"A list may hold 1 to {self._max_batch:,} jobs; this one holds {len(asked):,}.",
                mend="Send several lists." if asked else "Send at least one job.",
            )  # fmt: skip
        specs = self._specs(asked, call.listed, small=0 < len(call.body) < self._max_spec // _SHORT)
        jobs = await self._jobs.submit(owner_of(call), specs, key=key_of(call), body=call.body, by=call.who.email)
        if not call.listed:
            return Reply(await self.stored(jobs[0]))
        # A body holds all that a weight counts. Of large ones the jobs are not kept until all is sent.
        if len(call.body) > WHOLE_BYTES and sum(spec.weight for spec in specs) > WHOLE_BYTES:
            with contextlib.suppress(Unavailable):
                return await self._pages.answer([job.job_id for job in jobs])
        return await self._answer(Batch.of(jobs))

    async def status(self, call: Call) -> Reply:
        asked: JobQuery = call.request
        if len(asked.job_id) == 1:
            return Reply(await self.view((await self._found(asked.job_id))[0]))
        return await self._pages.answer(asked.job_id)

    async def cancel(self, call: Call) -> Reply:
        asked: CancelJobs = call.request
        one = isinstance(asked.job_id, str)
        job_ids = (asked.job_id,) if isinstance(asked.job_id, str) else asked.job_id
        by = call.who.email or owner_of(call)
        views: list[CancelView] = []
        for page in pages(job_ids):
            outcomes = await self._jobs.cancel(page, by)
            views += [
                CancelView(job_id=job_id, outcome=cast(_Outcome, outcome), status=job.status.value if job else None)
                for job_id, (job, outcome) in zip(page, outcomes, strict=True)
            ]
        if not one:
            return Reply(CancelledView(jobs=tuple(views)))
        if views[0].outcome == "not_found":
            raise Refused("not_found", f"There is no job {job_ids[0]}.", field="jobId")
        return Reply(views[0])

    def _specs(self, asked: Sequence[NewJob], listed: bool, *, small: bool = False) -> list[Spec]:
        """What is asked for; raises Refused for the first that may not be. `small`: none can be too long."""
        specs: list[Spec] = []
        seen: dict[int, Spec] = {}
        last: NewJob | None = None
        for place, new in enumerate(asked):
            before = seen.get(id(new))
            if before is not None:
                specs.append(before)
                continue
            dot = f"[{place}]." if listed else ""
            _refuse_own(new, dot)
            _refuse_half(new, dot)
            # Most of a list are alike but for what they run: that is half the work then.
            if last is not None and last == replace(
                new, command=last.command, name=last.name, env=last.env, stdin=last.stdin
            ):
                spec = replace(specs[-1], command=new.command, name=new.name, env=new.env, stdin=new.stdin)
            else:
                spec = _spec(new, dot)
            if not small and len(encode(spec)) > self._max_spec:
                raise Refused(
                    "invalid_field", f"A job may be {self._max_spec:,} bytes long with its command and env; this one is"
                    " longer.", field=f"{dot}command", mend="Have the job read what is large from a file.",
                )  # fmt: skip
            specs.append(spec)
            seen[id(new)] = spec
            last = new
        return specs

    async def _found(self, job_ids: Sequence[str]) -> list[Job]:
        found = await self._reads.jobs.get(job_ids)
        for job_id, job in zip(job_ids, found, strict=True):
            if job is None:
                raise Refused("not_found", f"There is no job {job_id}.", field="jobId")
        return [job for job in found if job is not None]

    async def view(self, job: Job) -> object:
        """The job as it is answered to whoever asks how it stands."""
        return (await self.views([job])).jobs[0]

    async def views(self, jobs: Sequence[Job]) -> JobsView:
        await self._fleet.look(jobs)
        return JobsView(jobs=job_views(jobs, self._fleet, await self._rows(jobs)))

    async def stored(self, job: Job) -> object:
        """The job as it is answered to whoever had it stored, or changed. Since that is done it is answered, however
        the store is now: why the job waits is said as far as it is known."""
        return (await self._stored([job])).jobs[0]

    async def _stored(self, jobs: Sequence[Job]) -> JobsView:
        await self._fleet.look_back(jobs)
        rows: Rows = {}
        with contextlib.suppress(Unavailable):
            rows = await self._rows(jobs)
        return JobsView(jobs=job_views(jobs, self._fleet, rows))

    async def _answer(self, jobs: Batch) -> Reply:
        """As `_stored`, a `JobsView`: of jobs that are alike the view is made, and written, once."""
        views = (await self._stored([job for job, _ in jobs.kinds])).jobs
        return Reply(b"".join((START, *as_json(views, [ids for _, ids in jobs.kinds]), END)), content_type=JSON)

    async def _rows(self, jobs: Sequence[Job]) -> Rows:
        wanted = needs_row(jobs)
        found = await self._reads.output.rows(wanted) if wanted else []
        return {key: row for key, row in zip(wanted, found, strict=True) if row is not None}


def owner_of(call: Call) -> str:
    """The id of whoever asks; raises Refused if that is nobody."""
    if call.who.id is None:
        raise Refused("unauthorized", "You are not logged in.")
    return call.who.id


def _refuse_own(new: NewJob, dot: str) -> None:
    for name in OWN_ENV & new.env.keys() if new.env else ():
        raise Refused("invalid_field", f"{name} is set by cmdexec itself.", field=f"{dot}env.{name}")
    if isinstance(new.command, tuple) and not new.command[0]:
        raise Refused(
            "invalid_field", "The first of the arguments names the program; it is empty.", field=f"{dot}command[0]"
        )


def _refuse_half(new: NewJob, dot: str) -> None:
    """What would do nothing, although somebody counts on it."""
    if new.retry_on and not new.max_retries:
        raise Refused(
            "invalid_field", f"`{dot}retryOn` says when to run the job again, but not how often.",
            field=f"{dot}retryOn", mend="Also give `maxRetries`.",
        )  # fmt: skip
    if new.container_image is None:
        for name in ("network", "pull", "user"):
            if getattr(new, name) is not None:
                raise Refused(
                    "invalid_field", f"`{dot}{name}` is of a container, and the job names none.", field=f"{dot}{name}",
                    mend="Also give `containerImage`.",
                )  # fmt: skip


def _spec(new: NewJob, dot: str) -> Spec:
    image = new.container_image
    container = None if image is None else Container(image, new.network or "none", new.pull or "missing", new.user)
    return Spec(
        container=container,
        command=new.command, name=new.name, env=new.env, timeout_sec=new.timeout_sec,
        kill_grace_sec=new.kill_grace_sec, cpu=new.cpu, ram_mb=new.ram_mb, stdin=new.stdin, requires=new.requires,
        priority=new.priority, max_retries=new.max_retries, retry_on=new.retry_on,
        backoff=Backoff(new.backoff.first_sec, new.backoff.max_sec), on_lost=OnLost(new.on_lost),
        max_lost=new.max_lost, run_at=_run_at(new.run_at, f"{dot}runAt"), ttl_sec=new.ttl_sec, tags=new.tags,
    )  # fmt: skip


def _run_at(text: str | None, field: str) -> int | None:
    at = None if text is None else moment(text)
    if text is not None and at is None:
        raise Refused(
            "invalid_field", f"`{field}` must be a moment with its offset from UTC, such as {EXAMPLE}.", field=field
        )
    return at


def key_of(call: Call) -> str | None:
    """The `Idempotency-Key`, if there is one; raises Refused if it is none."""
    key = call.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= _KEY_MAX or not all("!" <= mark <= "~" for mark in key):
        raise Refused(
            "invalid_field", f"`{KEY_HEADER}` must be 1 to {_KEY_MAX} printable ASCII characters without spaces.",
            field=KEY_HEADER,
        )  # fmt: skip
    return key
