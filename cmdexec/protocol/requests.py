"""What people and programs ask over HTTP, and what they get. Unknown fields are refused; keys are camelCase."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cmdexec.protocol.messages import JobId, Key, RamMb, Seconds, ShortText


class Request(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True, gc=False):
    """The base of all that is asked. Nothing that is sent has cycles: `gc=False`."""


class View(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """The base of all that is answered: every field is always there."""


class Nothing(Request, frozen=True):
    """No fields at all."""


NoNul = Meta(pattern=r"^[^\x00]*$")
ENV_NAME = r"^[^=\x00]+$"

NOT_PROVIDED_YET = frozenset({
    "executor", "secrets", "workdir", "inputs", "artifacts", "gpu", "mounts", "entrypoint", "pty", "drainSec",
    "concurrencyGroup", "dependsOn",
})  # fmt: skip
"""Fields of a job that the design knows and this version does not provide: refused by name, never ignored."""


class Login(Request, frozen=True):
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class UserView(View, frozen=True):
    user_id: str
    email: str
    role: str


class LoggedIn(View, frozen=True):
    token: str
    expires_at: str
    user: UserView


class HealthView(View, frozen=True, omit_defaults=True):
    """`uptime` in seconds; `checks` only for who may see them."""

    status: Literal["healthy", "degraded"]
    uptime: float
    checks: dict[str, str] | None = None


STDIN_MAX = 256 * 1024
"""Bytes that a job can be given as its standard input: it travels with the job."""

RETRY_ON = r"^(signal|timeout|oom|image|worker|exit|exit:([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))\Z"


class BackoffSec(Request, frozen=True):
    """How long a retry waits: a random part, at least half, of min(maxSec, firstSec × 2^retries used)."""

    first_sec: Annotated[float, Meta(ge=0, le=86400)] = 1.0
    max_sec: Annotated[float, Meta(ge=0, le=7 * 86400)] = 300.0


IMAGE = r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?\Z"
"""What may name an image: `alpine`, `registry.example.net:5000/team/tool:1.2`, or one with its digest. Whether it is
well formed beyond that, the engine says."""

CONTAINER_USER = r"^[0-9]{1,10}(:[0-9]{1,10})?\Z"


class NewJob(Request, frozen=True, omit_defaults=True):
    """One job. `command`: a line for the shell, or a list of arguments without one."""

    command: (
        Annotated[str, Meta(min_length=1, max_length=131_072), NoNul]
        | Annotated[tuple[Annotated[str, Meta(max_length=131_072), NoNul], ...], Meta(min_length=1, max_length=10_000)]
    )
    env: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=1000, pattern=ENV_NAME)],
             Annotated[str, Meta(max_length=131_072), NoNul]],
        Meta(max_length=1000),
    ] = {}  # fmt: skip
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    timeout_sec: Annotated[float, Meta(gt=0, le=366 * 86400)] | None = None
    kill_grace_sec: Annotated[float, Meta(ge=0, le=86400)] | None = None
    cpu: Annotated[float, Meta(ge=0.01, le=10_000)] | None = None
    ram_mb: RamMb | None = None
    stdin: Annotated[bytes, Meta(max_length=STDIN_MAX)] | None = None
    requires: Annotated[dict[Key, ShortText], Meta(max_length=32)] = {}
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    max_retries: Annotated[int, Meta(ge=0, le=100)] = 0
    retry_on: Annotated[tuple[Annotated[str, Meta(pattern=RETRY_ON)], ...], Meta(max_length=20)] = ()
    backoff: BackoffSec = BackoffSec()
    on_lost: Literal["hold", "requeue"] = "hold"
    max_lost: Annotated[int, Meta(ge=0, le=100)] = 3
    run_at: Annotated[str, Meta(min_length=10, max_length=40)] | None = None
    ttl_sec: Annotated[float, Meta(gt=0, le=366 * 86400)] | None = None
    tags: Annotated[tuple[ShortText, ...], Meta(max_length=20)] = ()
    container_image: Annotated[str, Meta(min_length=1, max_length=500, pattern=IMAGE)] | None = None
    network: Literal["none", "bridge"] | None = None
    pull: Literal["missing", "always", "never"] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=21, pattern=CONTAINER_USER)] | None = None


STATUS_MAX = 300
"""The most jobs that one call asks after."""


class JobQuery(Request, frozen=True):
    """`jobId` may be given several times; as many as fit into one line of a request."""

    job_id: Annotated[tuple[JobId, ...], Meta(min_length=1, max_length=STATUS_MAX)]


class CancelJobs(Request, frozen=True):
    """`jobId`: one id or a list."""

    job_id: JobId | Annotated[tuple[JobId, ...], Meta(min_length=1, max_length=1000)]


class CancelView(View, frozen=True):
    """What happened: `cancelled` (it had not begun), `asked` (it runs, and is being ended), `too_late`, `not_found`."""

    job_id: str
    outcome: Literal["cancelled", "asked", "too_late", "not_found"]
    status: str | None


class CancelledView(View, frozen=True):
    jobs: tuple[CancelView, ...]


class OutputQuery(Request, frozen=True):
    """`attempt`: the last by default. `follow=1`: what comes, until the job ends; as server-sent events, which have
    both streams whatever `stream` says, if the request accepts `text/event-stream`."""

    job_id: JobId
    stream: Literal["stdout", "stderr"] = "stdout"
    attempt: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    follow: Literal["0", "1"] = "0"
    download: Literal["0", "1"] = "0"


class StreamView(View, frozen=True):
    """`lost`: [from, to) of what was written and is not stored."""

    bytes: int
    digest: str | None
    whole: bool | None
    lost: tuple[tuple[int, int], ...]


class OutputView(View, frozen=True):
    stdout: StreamView
    stderr: StreamView


class UsageView(View, frozen=True):
    cpu_sec: float
    peak_rss_mb: float


class ProofView(View, frozen=True):
    """What was left alive after the end: 0 is the proof."""

    left: int
    survivors: tuple[str, ...]


class AttemptView(View, frozen=True):
    attempt: int
    run: int
    worker_id: str
    started_at: str
    finished_at: str | None
    ok: bool
    reason: str | None
    exit_code: int | None
    signal: int | None
    message: str | None
    usage: UsageView | None
    output: OutputView | None
    proof: ProofView | None


class EventView(View, frozen=True):
    at: str
    event: str
    status: str
    attempt: int
    who: str | None
    note: str | None


class BackoffView(View, frozen=True):
    first_sec: float
    max_sec: float


class JobView(View, frozen=True):
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
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    cancel_requested: bool
    confirmed: bool | None
    timeout_sec: float | None
    kill_grace_sec: float | None
    cpu: float | None
    ram_mb: int | None
    labels: dict[str, str]
    tags: tuple[str, ...]
    priority: int
    max_retries: int
    retries_used: int
    retry_on: tuple[str, ...]
    backoff: BackoffView
    on_lost: str
    max_lost: int
    lost_used: int
    run_at: str | None
    ttl_sec: float | None
    stdin_bytes: int
    env: dict[str, str]
    rerun_of: str | None
    owner: str
    usage: UsageView | None
    output: OutputView
    attempts: tuple[AttemptView, ...]
    history: tuple[EventView, ...]
    waiting_mend: str | None = None
    container_image: str | None = None
    network: str | None = None
    pull: str | None = None
    user: str | None = None
    phase: str | None = None


class JobsView(View, frozen=True):
    jobs: tuple[JobView, ...]


class RunningView(View, frozen=True):
    job_id: str
    attempt: int
    status: str


class WorkerWarning(View, frozen=True):
    """What is wrong with a worker, and what to do about it. `cloned`: a copy of it was refused. `suspect`: it begins
    nothing that it is given."""

    code: Literal["cloned", "suspect"]
    message: str
    mend: str


class AbsenceView(View, frozen=True):
    """From when to when a worker was away, by its own clock, and why: `cause` is a word for programs, `why` says it."""

    since: str
    until: str
    cause: str
    why: str


class WorkerView(View, frozen=True):
    """`state`: online, offline (not connected, its lease still good), lost (lease over), draining, suspect (it begins
    nothing, so it gets nothing), revoked."""

    worker_id: str
    name: str
    state: Literal["online", "offline", "lost", "draining", "suspect", "revoked"]
    version: str
    platform: str
    slots: int
    free_slots: int | None
    executors: tuple[str, ...]
    labels: dict[str, str]
    cpu: float | None
    ram_mb: int | None
    limits: str | None
    transport: Literal["socket", "polling"] | None
    load: dict[str, Any] | None
    registered_at: str
    last_seen_at: str | None
    jobs: tuple[RunningView, ...]
    draining: bool = False
    given_labels: dict[str, str] = {}
    warning: WorkerWarning | None = None
    absences: tuple[AbsenceView, ...] = ()


class WorkersView(View, frozen=True):
    workers: tuple[WorkerView, ...]


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    message: str
    field: str | None = None
    mend: str | None = None
    expected: dict[str, Any] | None = None


class ErrorView(msgspec.Struct, frozen=True):
    """What every refusal looks like, and nothing else."""

    error: ErrorBody


class FollowOutput(View, frozen=True):
    """A piece of output, as the server-sent event `output`; `data` is base64."""

    stream: Literal["stdout", "stderr"]
    offset: int
    data: bytes


class FollowAttempt(View, frozen=True):
    """The server-sent event `attempt`: from here on output is of this attempt. `why`: how the run before it ended, in
    words; null for the first one."""

    attempt: int
    run: int
    why: str | None = None


class FollowEnd(View, frozen=True):
    """The server-sent event `end`: the job as it ended."""

    job: JobView


Timeout = Seconds
