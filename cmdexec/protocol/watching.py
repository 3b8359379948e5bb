"""What people's programs say over `/ws`, and what they are told: jobs and workers as they change.

`{"op": "watch", "id": 1, "items": [{"what": "job", "jobId": "…"}]}` is answered `{"re": 1, "items": [{}]}`, or with the
error of the item. From then on frames come of themselves: first how things stand, then each change, the newest state
alone where changes come faster than they can be told. `unwatch` with the same item ends it.

With `"until": "ended"` a job is told once, when it has ended (at once, if it has already), and is watched no more then:
that is what whoever waits for many jobs wants.

`{"op": "submit", "id": 2, "items": [{"job": {"command": "true"}, "key": "…", "until": "ended"}]}` submits a job as
`POST /api/jobs/create` does, and watches it to its end in the same breath: for programs that wait for one job after the
other. It is one job a frame. A server of version 0.1 knows no such frame and closes the socket with 4400.
"""

from typing import Any, Literal

import msgspec

from cmdexec.protocol.listing import JobRow
from cmdexec.protocol.messages import JobId
from cmdexec.protocol.requests import JobView, Request, View, WorkerView


class Watch(Request, frozen=True):
    """`job`: one job, by `jobId`, whole; with `until`, its end alone. `jobs`: a row of each job that changes.
    `workers`: each worker that changes."""

    what: Literal["job", "jobs", "workers"]
    job_id: JobId | None = None
    until: Literal["ended"] | None = None


class Watched(View, frozen=True):
    """It is watched from now on, or no more."""


class Submit(Request, frozen=True):
    """`job`: as the body of `POST /api/jobs/create`, a single one. `key`: as its `Idempotency-Key`. `until`: watch the
    job, to be told once it has ended."""

    job: msgspec.Raw
    key: str | None = None
    until: Literal["ended"] | None = None


class Submitted(View, frozen=True):
    """The job is on the server's disk. `watched`: whether its end will be told."""

    job: JobView
    watched: bool


UP: dict[str, type[Any]] = {"watch": Watch, "unwatch": Watch, "submit": Submit}
"""A person's frame → what its items are."""

DOWN: dict[str, Any] = {"job": JobView, "jobs": JobRow, "workers": WorkerView}
"""A server's frame → what its items are."""

WATCHES_MAX = 1000
"""The most jobs that one socket watches, change by change."""

ENDS_MAX = 10_000
"""The most jobs whose ends alone one socket watches, besides: little is kept of each, and little told."""
