"""Lists of jobs: what can be asked for, and what a row says."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cmdexec.protocol.messages import Key, ShortText
from cmdexec.protocol.requests import Request, View

StatusWord = Literal["scheduled", "queued", "assigned", "running", "unknown", "completed", "failed", "cancelled"]
ReasonWord = Literal[
    "exit", "signal", "timeout", "oom", "start", "image", "worker", "lost", "rejected", "expired", "dependency"
]
Moment = Annotated[str, Meta(min_length=2, max_length=40)]
PAGE_MAX = 1000


class JobsQuery(Request, frozen=True):
    """Which jobs; all that is named has to hold. `status`, `reason` and `tag` may be given several times: any of them.

    q           the beginning of a name, an id or a tag; any part of those of the newest jobs
    tag         whatever its case
    worker      the id of the worker that has the job, or had it last
    owner       `me`: submitted by whoever asks
    from, to    submitted in [from, to): RFC 3339, or `-7d`, `-12h`, `-30m` before now
    order       `new`: the newest first
    cursor      `next` of the page before
    """

    status: Annotated[tuple[StatusWord, ...], Meta(max_length=8)] = ()
    reason: Annotated[tuple[ReasonWord, ...], Meta(max_length=11)] = ()
    tag: Annotated[tuple[ShortText, ...], Meta(max_length=20)] = ()
    worker: Key | None = None
    owner: Literal["me"] | None = None
    q: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    since: Moment | None = msgspec.field(default=None, name="from")
    to: Moment | None = None
    order: Literal["new", "old"] = "new"
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100
    cursor: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class JobRow(View, frozen=True):
    """A job in a list. `command` is cut after 300 characters."""

    job_id: str
    name: str | None
    command: str | tuple[str, ...]
    status: str
    reason: str | None
    exit_code: int | None
    signal: int | None
    message: str | None
    waiting_for: str | None
    attempt: int
    run: int
    worker_id: str | None
    priority: int
    tags: tuple[str, ...]
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    cancel_requested: bool
    confirmed: bool | None
    waiting_mend: str | None = None


class JobsPage(View, frozen=True):
    """`next` None: there are no more. Where few jobs fit a page may be short and still have a next one; it is empty and
    has one only if none of very many fits (LIST_LOOK_JOBS of the server)."""

    jobs: tuple[JobRow, ...]
    next: str | None


class RerunJob(Request, frozen=True):
    """Make a new job of what another one was asked to do."""

    job_id: Annotated[str, Meta(min_length=36, max_length=36, pattern=r"^[0-9a-f-]{36}$")]


class RequeueJob(RerunJob, frozen=True):
    """Run a job again whose fate is not known. `accept_duplicate`: I know that it may run twice."""

    accept_duplicate: bool = False
