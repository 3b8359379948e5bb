"""What a job is: what was asked for, how it stands, each of its attempts, and what has happened to it.

All values are immutable; a change makes a new job (`msgspec.structs.replace`). Times are milliseconds of the wall
clock, for display and for what people schedule; no lease is ever judged by them (promise 9). None of them can refer to
what refers to it, so the collector of cycles does not go through them (`gc=False`): with thousands of jobs that costs.
"""

from enum import StrEnum
from typing import Literal

import msgspec


class Status(StrEnum):
    """Where a job stands. `unknown` is not an end: the lease of its worker ran out, its fate is not known."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
WAITING = frozenset({Status.SCHEDULED, Status.QUEUED})
HELD = frozenset({Status.ASSIGNED, Status.RUNNING, Status.UNKNOWN})


class Reason(StrEnum):
    """Why a job, or one attempt of it, ended other than well. `CANCELLED` is said of attempts only."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OOM = "oom"
    START = "start"
    IMAGE = "image"
    WORKER = "worker"
    LOST = "lost"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DEPENDENCY = "dependency"
    CANCELLED = "cancelled"


class OnLost(StrEnum):
    """What to do when the worker's lease ran out: wait for it (the command may not be idempotent), or run it again."""

    HOLD = "hold"
    REQUEUE = "requeue"


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Seconds before a retry: a random part of min(max_sec, first_sec × 2^retries used), at least `first_sec` / 2."""

    first_sec: float = 1.0
    max_sec: float = 300.0


class Container(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a job runs in, if not on the worker's machine itself.

    network  none: no address but its own loopback; bridge: the engine's default network, if the worker allows that
    pull     when the image is asked of its registry: missing: unless the engine has it; always; never
    user     who its processes are, as `UID[:GID]`; None: whoever the worker's settings name, never root
    """

    image: str
    network: Literal["none", "bridge"] = "none"
    pull: Literal["missing", "always", "never"] = "missing"
    user: str | None = None


class Spec(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was asked for. `command` is a line for the shell, or a list of arguments without one.

    `retry_on` empty: every retryable reason; else items such as `lost`, `image`, `exit`, `exit:75`.
    """

    command: str | tuple[str, ...]
    name: str | None = None
    env: dict[str, str] = {}
    timeout_sec: float | None = None
    kill_grace_sec: float | None = None
    on_lost: OnLost = OnLost.HOLD
    max_retries: int = 0
    max_lost: int = 3
    retry_on: tuple[str, ...] = ()
    backoff: Backoff = Backoff()
    priority: int = 0
    requires: dict[str, str] = {}
    run_at: int | None = None
    ttl_sec: float | None = None
    cpu: float | None = None
    ram_mb: int | None = None
    stdin: bytes | None = None
    tags: tuple[str, ...] = ()
    container: Container | None = None

    @property
    def weight(self) -> int:
        """Characters of command, environment and input, with what holds them together: about what it takes to send."""
        command, env = self.command, self.env
        words = len(command) if isinstance(command, str) else sum(map(len, command)) + 3 * len(command)
        given = 0 if self.stdin is None else len(self.stdin) * 4 // 3
        return words + given + sum(map(len, env)) + sum(map(len, env.values())) + 6 * len(env)


class StreamEnd(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One stream of a finished attempt.

    bytes    length as stored, None where the worker named none
    digest   SHA-256 (hex) of what is stored
    whole    nothing is missing; None where it cannot be judged
    lost     [from, to) ranges of the stream as written that are not stored (cut by the cap, or gone with a spool)
    """

    bytes: int | None = None
    digest: str | None = None
    whole: bool | None = None
    lost: tuple[tuple[int, int], ...] = ()


class Result(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How an attempt ended, as its worker reports it. Exit code and signal are never both set; `reason` None is exit 0.

    `left` counts processes (and containers) still alive after the kill: 0 is the proof that nothing is left;
    `survivors` names them. `output_lost`: the worker died under the job, so what was written last may be missing.
    """

    reason: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    message: str | None = None
    stdout: StreamEnd = StreamEnd()
    stderr: StreamEnd = StreamEnd()
    output_lost: bool = False
    output_cut: bool = False
    cpu_sec: float = 0.0
    peak_rss_bytes: int = 0
    left: int = 0
    survivors: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One run of a job: it began when its `start` was granted. `end` None: not ended, as far as is known, or `ok`.

    result     as its worker reported it; None when the end is only inferred (lost, dead, handed back)
    lost_cost  what its end as `lost` took of the job's `lost_used`, to be given back when it turns out not to be lost
    refunded   how much was given back, when it turned out so; None: it never counted as lost, or does now
    """

    number: int
    worker_id: str
    session: str
    started_at: int
    ended_at: int | None = None
    end: Reason | None = None
    ok: bool = False
    result: Result | None = None
    lost_cost: int = 0
    refunded: int | None = None


class Line(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """One line of a job's history: when, what happened (the event's name), the status after it, about which attempt."""

    at: int
    event: str
    status: Status
    attempt: int = 0
    who: str | None = None
    note: str | None = None


HISTORY_MAX = 200
"""The oldest lines beyond the first are dropped: a job that is handed to and fro for ever must not grow for ever."""

ATTEMPTS_MAX = 200
"""The oldest attempts are dropped (their output stays) and only counted, for the same reason."""

AVOID_MAX = 100
"""The most workers a job remembers as having declined it; the oldest is asked again."""

MESSAGE_MAX = 500
"""Characters of a job's `message`."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One job. `rev` rises by one with every change; a change is written only on the `rev` it was decided on.

    submit_key, body_hash   what names the submission that it came with, and what that said; "": it had no key
    attempt        the number of the newest claim; rises with each, and may skip
    worker_id, session   who holds it, or held it last (the session is the life of one spool)
    claim_id       the claim that gave out the newest attempt: the same claim asked again gets the same jobs again
    rank, klass    claims take the lowest rank of each class that the worker matches
    due_at         when a scheduled job becomes queued
    missing        how often in a row the holder's complete list lacked the attempt
    never_spawned  how often a worker gave it back unborn
    avoid          workers that declined it, each as it had registered
    retries_used   retries granted because an attempt ran and failed; never over `max_retries`
    lost_used      retries granted because a lease ran out; never over `max_lost`
    dropped        attempts no longer kept in `attempts`
    """

    job_id: str
    owner: str
    submit_key: str
    body_hash: str
    spec: Spec
    status: Status
    created_at: int
    rank: int
    rev: int = 0
    klass: str = ""
    attempt: int = 0
    worker_id: str | None = None
    session: str | None = None
    claim_id: str | None = None
    queued_at: int | None = None
    assigned_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    due_at: int | None = None
    unknown_at: int | None = None
    cancel_requested: bool = False
    cancelled_by: str | None = None
    confirmed: bool | None = None
    reason: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    message: str | None = None
    retries_used: int = 0
    lost_used: int = 0
    never_spawned: int = 0
    missing: int = 0
    avoid: tuple[str, ...] = ()
    rerun_of: str | None = None
    attempts: tuple[Attempt, ...] = ()
    dropped: int = 0
    history: tuple[Line, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether its output and its end are final."""
        return self.status in ENDED

    @property
    def begin_by(self) -> int | None:
        """When it is too old to begin; None: never, or it began once. `ttl_sec` counts from when it may run."""
        if self.spec.ttl_sec is None or self.attempts:
            return None
        return max(self.created_at, self.spec.run_at or 0) + round(self.spec.ttl_sec * 1000)

    def attempt_named(self, number: int) -> Attempt | None:
        """The run of that number, if it ever began."""
        for attempt in reversed(self.attempts):
            if attempt.number == number:
                return attempt
        return None

    @property
    def runs(self) -> int:
        """How many attempts ran: what people see as "run 2"."""
        return self.dropped + len(self.attempts)
