"""Every operation, declared once: routes, frames, the client, limits and documentation are made from this list.

`OPERATIONS` says what can be done. `ROUTES` and `FRAMES` say how it is reached: a worker's message over HTTP and over
its socket is the same operation. An operation without a permission cannot be written down.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cmdexec.protocol import accounts, fleet, listing, messages, polling, requests

KIB = 1024
MIB = 1024 * KIB


class Permission(StrEnum):
    """What an identity may do. `ANYONE` needs none; `WORK` is given by a worker's credential, and by nothing else."""

    ANYONE = "anyone"
    VIEW_HEALTH = "view health"
    VIEW_JOBS = "view jobs"
    RUN_JOBS = "run jobs"
    VIEW_WORKERS = "view workers"
    MANAGE_WORKERS = "manage workers"
    MANAGE_USERS = "manage users"
    BE_LOGGED_IN = "be logged in"
    WORK = "work"


_VIEWER = frozenset({
    Permission.VIEW_JOBS, Permission.VIEW_WORKERS, Permission.VIEW_HEALTH, Permission.BE_LOGGED_IN,
})  # fmt: skip
_OPERATOR = _VIEWER | {Permission.RUN_JOBS}

ROLES: dict[str, frozenset[Permission]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "admin": _OPERATOR | {Permission.MANAGE_WORKERS, Permission.MANAGE_USERS},
}
"""What a user of each role may do; a role that is not here may nothing."""


class Per(StrEnum):
    """Whose calls are counted together."""

    USER = "user"
    WORKER = "worker"
    SOURCE = "address"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done in each window of RATE_LIMIT_WINDOW_MS.

    name       in the `RateLimit` headers of the answers
    setting    says how many times
    counted    what is counted, in words: several operations may share a rate
    mend       what helps besides waiting
    first      only what makes a worker known for the first time is counted
    still      what comes too often is done all the same, but for its statistics, and answered with 429, whose body has
               all that is answered else beside `error`
    spares     fields of the request; one that gives any of these is not counted
    """

    name: str
    setting: str
    per: Per
    counted: str
    mend: str = ""
    first: bool = False
    still: bool = False
    spares: tuple[str, ...] = ()


SUBMISSIONS = Rate(
    "jobs", "RATE_LIMIT_MAX_JOBS", Per.USER, "submissions of one user",
    mend="Several jobs sent as one list count once.",
)  # fmt: skip
ENROLMENTS = Rate(
    "enrolments", "RATE_LIMIT_MAX_REGISTER", Per.SOURCE, "new workers from one address",
    mend="A worker that is known is never counted.", first=True,
)  # fmt: skip
HEARTBEATS = Rate(
    "heartbeats", "RATE_LIMIT_MAX_HEARTBEAT", Per.WORKER, "heartbeats of one worker over HTTP",
    mend="The lease is renewed all the same, and orders stand beside this error; only the statistics are dropped.",
    still=True,
    spares=("start", "released"),
)  # fmt: skip
RATES = (SUBMISSIONS, ENROLMENTS, HEARTBEATS)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be done.

    request, response   structs; `many` where a list of requests is taken too (`jobs.create`)
    listed              what a list is answered with (`many` only); None if as a single request
    codes               the refusals (`errors.CODES`) of its own, beside those that any request can meet
    media               the types of content that it answers with
    effect              it changes something: cookies need Origin and `X-Csrf` for it
    many_range          the least and the most in a list, where no setting says less
    max_body            bytes; a request with a larger body is refused before it is read
    rate                how often it may be done; too often is `too_many`
    """

    name: str
    permission: Permission
    request: Any
    response: Any
    summary: str
    effect: bool = False
    many: bool = False
    many_range: tuple[int, int] = (0, 10_000)
    max_body: int = 64 * KIB
    listed: Any = None
    codes: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    rate: Rate | None = None


_ATTEMPT = ("stale_attempt", "resume_first", "not_started", "conflict")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "auth.login", Permission.ANYONE, requests.Login, requests.LoggedIn,
        "Exchange an e-mail address and a password for a token of 24 hours.", effect=True,
        max_body=16 * KIB, codes=("bad_credentials", "too_many"),
    ),
    Operation(
        "auth.logout", Permission.BE_LOGGED_IN, requests.Nothing, accounts.Empty,
        "End this login: its token and its cookie are good no more.", effect=True,
    ),
    Operation("auth.me", Permission.BE_LOGGED_IN, requests.Nothing, accounts.MeView, "Whose login this is."),
    Operation(
        "auth.password", Permission.BE_LOGGED_IN, accounts.OwnPassword, accounts.Empty,
        "Give yourself another password.", effect=True, max_body=16 * KIB, codes=("too_many", "disk_full"),
    ),
    Operation("health", Permission.ANYONE, requests.Nothing, requests.HealthView, "Whether the server does its work."),
    Operation("live", Permission.ANYONE, requests.Nothing, requests.HealthView, "Whether the process is there."),
    Operation(
        "ready", Permission.ANYONE, requests.Nothing, requests.HealthView,
        "Whether the server takes requests: its store can commit and it is not draining. 503 otherwise.",
        codes=("draining",),
    ),
    Operation(
        "api.document", Permission.ANYONE, requests.Nothing, dict[str, Any],
        "This description of the API, as OpenAPI 3.1. Everybody may read it: it says nothing that the code does not.",
    ),
    Operation(
        "api.page", Permission.ANYONE, requests.Nothing, str, "The same as a page.", media=("text/html",),
    ),
    Operation(
        "jobs.create", Permission.RUN_JOBS, requests.NewJob, requests.JobView,
        "Submit one job, or a list of up to 1,000, all or none. Answered when on disk; `Idempotency-Key` makes it safe"
        " to repeat for 72 hours.", effect=True, many=True, many_range=(1, 1000), max_body=8 * MIB,
        listed=requests.JobsView,
        codes=("not_provided", "key_reused", "queue_full", "draining", "disk_full"), rate=SUBMISSIONS,
    ),
    Operation(
        "jobs.status", Permission.VIEW_JOBS, requests.JobQuery, requests.JobView | requests.JobsView,
        "A job; with several ids, `{jobs: […]}` in their order.", codes=("not_found",),
    ),
    Operation(
        "jobs.cancel", Permission.RUN_JOBS, requests.CancelJobs, requests.CancelView | requests.CancelledView,
        "End jobs, and say of each what happened.", effect=True, codes=("not_found", "disk_full"),
    ),
    Operation(
        "jobs.list", Permission.VIEW_JOBS, listing.JobsQuery, listing.JobsPage,
        "Jobs, the newest first, page by page.",
    ),
    Operation(
        "jobs.rerun", Permission.RUN_JOBS, listing.RerunJob, requests.JobView,
        "Submit anew what an older job was asked to do; `Idempotency-Key` makes it safe to repeat.", effect=True,
        codes=("not_found", "key_reused", "queue_full", "draining", "disk_full"), rate=SUBMISSIONS,
    ),
    Operation(
        "jobs.requeue", Permission.RUN_JOBS, listing.RequeueJob, requests.JobView,
        "Run a job again whose fate is not known (`unknown`), though it may run twice.", effect=True,
        codes=("not_found", "conflict", "disk_full"),
    ),
    Operation(
        "jobs.output", Permission.VIEW_JOBS, requests.OutputQuery, bytes,
        "The bytes of one stream (Range works), or with `follow=1` what comes until the job ends.",
        codes=("not_found", "range_not_satisfiable"), media=("application/octet-stream", "text/event-stream"),
    ),
    Operation(
        "workers.list", Permission.VIEW_WORKERS, requests.Nothing, requests.WorkersView,
        "All workers with state, load, slots and running jobs.",
    ),
    Operation(
        "workers.get", Permission.VIEW_WORKERS, fleet.WorkerId, requests.WorkerView, "One worker.",
        codes=("not_found",),
    ),
    Operation(
        "workers.change", Permission.MANAGE_WORKERS, fleet.ChangeWorker, requests.WorkerView,
        "Drain a worker, let it take jobs again, name it, label it.", effect=True,
        codes=("not_found", "conflict", "disk_full"),
    ),
    Operation(
        "workers.revoke", Permission.MANAGE_WORKERS, fleet.WorkerId, requests.WorkerView,
        "Shut a worker out for good, at once. Its jobs count as if its lease were over; one that runs and would be run"
        " again does so when it is.", effect=True,
        codes=("not_found", "disk_full"),
    ),
    Operation(
        "workers.join", Permission.ANYONE, accounts.Join, accounts.Joined,
        "Become a worker with a join token.", effect=True, max_body=4 * KIB,
        codes=("bad_join_token", "too_many", "disk_full"), rate=ENROLMENTS,
    ),
    Operation(
        "join_tokens.create", Permission.MANAGE_WORKERS, accounts.NewJoinToken, accounts.JoinTokenView,
        "Make a token that machines can become workers with; it is told this once.", effect=True, codes=("disk_full",),
    ),
    Operation(
        "join_tokens.list", Permission.MANAGE_WORKERS, requests.Nothing, accounts.JoinTokensView,
        "The join tokens, without what is secret of them.",
    ),
    Operation(
        "join_tokens.revoke", Permission.MANAGE_WORKERS, accounts.JoinTokenId, accounts.JoinTokenView,
        "Nobody joins with this token any more; who has joined stays.", effect=True, codes=("not_found", "disk_full"),
    ),
    Operation(
        "users.create", Permission.MANAGE_USERS, accounts.NewUser, accounts.UserRowView,
        "Add a user.", effect=True, max_body=16 * KIB, codes=("conflict", "disk_full"),
    ),
    Operation("users.list", Permission.MANAGE_USERS, requests.Nothing, accounts.UsersView, "All users."),
    Operation(
        "users.change", Permission.MANAGE_USERS, accounts.ChangeUser, accounts.UserRowView,
        "Change a user's role or password, or shut the user out.", effect=True, max_body=16 * KIB,
        codes=("not_found", "conflict", "disk_full"),
    ),
    Operation(
        "workers.register", Permission.WORK, messages.Register, messages.Registered,
        "A worker says what it is and learns how it shall run.", effect=True,
        codes=("protocol_mismatch", "conflict", "replaced", "cloned", "draining", "disk_full"), rate=ENROLMENTS,
    ),
    Operation(
        "workers.heartbeat", Permission.WORK, messages.Heartbeat, polling.BeatView,
        "Renew the lease; name what is held; ask to start; give back. One that comes too often is carried out as well:"
        " its 429 has all that a 200 has, beside `error`.", effect=True, max_body=8 * MIB,
        codes=("not_registered", "replaced", "disk_full"), rate=HEARTBEATS,
    ),
    Operation(
        "attempts.start", Permission.WORK, messages.Held, messages.Told,
        "May this attempt make its process?", effect=True, many=True, max_body=MIB, codes=_ATTEMPT,
    ),
    Operation(
        "attempts.release", Permission.WORK, messages.Released, messages.Told,
        "The worker has these attempts no more.", effect=True, many=True, max_body=MIB, codes=_ATTEMPT,
    ),
    Operation(
        "attempts.claim", Permission.WORK, messages.AskJobs, polling.GivenJobs,
        "Wait for jobs and take them; 204 when there are none.",
        codes=("not_registered", "replaced", "draining", "disk_full"),
    ),
    Operation(
        "attempts.check", Permission.WORK, polling.AttemptQuery, polling.CheckView,
        "Whether an attempt is to be ended.", codes=("not_registered", "replaced"),
    ),
    Operation(
        "attempts.output", Permission.WORK, messages.Chunks, polling.TakenView,
        "Bytes of an attempt's streams, in order; answered when they are on disk.", effect=True, max_body=2 * MIB,
        codes=(*_ATTEMPT, "output_gap", "not_registered", "replaced", "output_limit", "disk_full"),
    ),
    Operation(
        "attempts.done", Permission.WORK, messages.Done, requests.JobView,
        "How an attempt ended; accepted once. One result is answered with its job, a list with what is told of each.",
        effect=True, many=True, max_body=MIB, listed=tuple[messages.Told, ...],
        codes=(*_ATTEMPT, "output_missing", "output_differs", "not_registered", "replaced", "disk_full"),
    ),
)  # fmt: skip

BY_NAME: dict[str, Operation] = {operation.name: operation for operation in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Route:
    """A way to an operation by HTTP. `{jobId}` in the path, and the query of a GET, are fields of its request."""

    method: str
    path: str
    operation: str


ROUTES: tuple[Route, ...] = (
    Route("POST", "/api/auth/login", "auth.login"),
    Route("POST", "/api/auth/logout", "auth.logout"),
    Route("GET", "/api/auth/me", "auth.me"),
    Route("PATCH", "/api/auth/me", "auth.password"),
    Route("GET", "/api/health", "health"),
    Route("GET", "/api/live", "live"),
    Route("GET", "/api/ready", "ready"),
    Route("GET", "/api/openapi.json", "api.document"),
    Route("GET", "/api/docs", "api.page"),
    Route("POST", "/api/jobs/create", "jobs.create"),
    Route("GET", "/api/jobs/status", "jobs.status"),
    Route("POST", "/api/jobs/cancel", "jobs.cancel"),
    Route("GET", "/api/jobs", "jobs.list"),
    Route("GET", "/api/jobs/{jobId}/output", "jobs.output"),
    Route("POST", "/api/jobs/{jobId}/rerun", "jobs.rerun"),
    Route("POST", "/api/jobs/{jobId}/requeue", "jobs.requeue"),
    Route("GET", "/api/workers/list", "workers.list"),
    Route("GET", "/api/workers/{workerId}", "workers.get"),
    Route("PATCH", "/api/workers/{workerId}", "workers.change"),
    Route("DELETE", "/api/workers/{workerId}", "workers.revoke"),
    Route("POST", "/api/workers/join", "workers.join"),
    Route("GET", "/api/join-tokens", "join_tokens.list"),
    Route("POST", "/api/join-tokens", "join_tokens.create"),
    Route("DELETE", "/api/join-tokens/{joinTokenId}", "join_tokens.revoke"),
    Route("GET", "/api/users", "users.list"),
    Route("POST", "/api/users", "users.create"),
    Route("PATCH", "/api/users/{userId}", "users.change"),
    Route("POST", "/api/workers/register", "workers.register"),
    Route("POST", "/api/workers/heartbeat", "workers.heartbeat"),
    Route("GET", "/api/jobs/get-job", "attempts.claim"),
    Route("GET", "/api/jobs/check-cancel", "attempts.check"),
    Route("POST", "/api/jobs/stream-output", "attempts.output"),
    Route("POST", "/api/jobs/submit-result", "attempts.done"),
)

FRAMES: dict[str, str] = {
    "register": "workers.register",
    "heartbeat": "workers.heartbeat",
    "start": "attempts.start",
    "released": "attempts.release",
    "output": "attempts.output",
    "done": "attempts.done",
}
"""A worker's frame → its operation."""

DOWN_FRAMES: dict[str, Any] = {
    "assign": messages.Assignment,
    "stop": messages.StopOrder,
    "cancel": messages.CancelOrder,
    "lease": messages.Lease,
    "ack": messages.OutputAck,
    "drain": messages.Drain,
}
"""A server's frame → what its items are. Any other is sent only to a worker that named it in `register`."""
