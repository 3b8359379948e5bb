"""What a worker and a server say to each other. Keys are camelCase on the wire.

Unknown fields are ignored here, so that versions mix (promise 10); every number and every length is bounded.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

JobId = Annotated[str, Meta(min_length=36, max_length=36, pattern=r"^[0-9a-f-]{36}$")]
AttemptNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Seconds = Annotated[float, Meta(ge=0, le=366 * 86400)]
Stream = Literal["stdout", "stderr"]
ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
LongText = Annotated[str, Meta(max_length=2000)]
Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+\Z")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

INLINE_MAX = 4096
"""Output of up to this many bytes a stream rides in its job's `done`; more goes in frames of its own before it."""


class Message(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """The base of all that is said between worker and server."""


class Held(Message, frozen=True):
    """An attempt, named. `phase`, in complete lists: what is being done before it can be started."""

    job_id: JobId
    attempt: AttemptNumber
    phase: ShortText | None = None


Cpu = Annotated[float, Meta(gt=0, le=10_000)]
"""Cores, or a part of one."""

RamMb = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Memory in MB of 2^20 bytes."""


Wall = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds of a wall clock since 1970 UTC, up to the end of the year 9999."""


# From the worker -----------------------------------------------------------------------------------------------------


class Absence(Message, frozen=True):
    """From when to when a worker was away, by its own wall clock, and why: `restarted` (its machine was), `stopped` (by
    an ordinary stop), `oom` (the kernel killed it for memory), `oom_perhaps` (or another process of its machine),
    `disk_full`, `slept` (its machine did), `stalled` (its process stood still), `network`, `not_known`. Any other word
    counts as that."""

    since: Wall
    until: Wall
    cause: Key


class Register(Message, frozen=True):
    """The first thing a worker says.

    session      the life of its spool; without one, its id stands for it
    instance_id  made afresh by each process: the newest owns the session
    name         what people call it; without one, its id
    connection   which of that process's connections this is, rising: a `register` that comes late changes nothing; 0:
                 not said
    frames       the frames from the server that it understands beyond those of the first version
    place        stands for its data folder and the start of its machine: no two processes of one place can be at once;
                 None: not said
    machine      stands for its data folder and its machine, and stays the same when that starts again; None: not said
    boot         stands for the start of its machine
    cpu, ram_mb  what all its jobs may use together; None: not said, so no job is held back for it
    limits       what holds a job to its part: cgroups of version 2 or 1, or `watched`: seen to, not enforced; None:
                 nothing, so it is given no job that names a part
    absences     how long it was away, and why, since it was connected last; what is told again counts once
    """

    worker_id: Key | None = None
    session: Key | None = None
    instance_id: Key | None = None
    connection: Offset = 0
    name: ShortText | None = None
    version: ShortText = "unknown"
    protocol: ShortText = "cmdexec.v1"
    platform: ShortText = "unknown"
    slots: Annotated[int, Meta(ge=1, le=10_000)] = 1
    labels: Annotated[dict[Key, ShortText], Meta(max_length=100)] = {}
    executors: Annotated[tuple[Key, ...], Meta(max_length=20)] = ("process",)
    frames: Annotated[tuple[Key, ...], Meta(max_length=100)] = ()
    cpu: Cpu | None = None
    ram_mb: RamMb | None = None
    limits: Literal["cgroup2", "cgroup1", "watched"] | None = None
    place: Key | None = None
    machine: Key | None = None
    boot: Key | None = None
    absences: Annotated[tuple[Absence, ...], Meta(max_length=16)] = ()


class Stats(Message, frozen=True):
    """How the worker's machine is: shares of one (load may be above), bytes. `trouble`: why it begins no jobs now.
    `heartbeat_sec`: how much lies between two of its heartbeats; `round_trip_sec`: how long their answers take."""

    cpu: Annotated[float, Meta(ge=0, le=1)] | None = None
    load: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    memory_used_bytes: Offset | None = None
    memory_total_bytes: Offset | None = None
    running: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    trouble: ShortText | None = None
    heartbeat_sec: Seconds | None = None
    round_trip_sec: Seconds | None = None


class Released(Message, frozen=True):
    """An attempt that the worker has no more: it never made a process, declined it, gave it back, or knows it dead.
    `startedAhead`: it made no process, since no slot came free for it as soon as it had expected. `noRoom`: since its
    machine had no room for one."""

    job_id: JobId
    attempt: AttemptNumber
    why: Literal["neverSpawned", "startedAhead", "noRoom", "declined", "handedBack", "dead"]
    message: LongText | None = None


class Heartbeat(Message, frozen=True):
    """`jobs`: all attempts held, a complete list; absent says nothing about them. `seq`: rises with each list that the
    process makes, so that one that comes late is known; absent: not said."""

    jobs: Annotated[tuple[Held, ...], Meta(max_length=50_000)] | None = None
    seq: Offset | None = None
    start: Annotated[tuple[Held, ...], Meta(max_length=10_000)] = ()
    released: Annotated[tuple[Released, ...], Meta(max_length=10_000)] = ()
    spool_bytes: Offset | None = None
    draining: bool = False
    stats: Stats | None = None


class OutputHeader(Message, frozen=True):
    """Before the bytes of a binary frame: they belong at `offset` of the stream. `offset` decides; `seq`, which numbers
    the pieces of a stream from 0, is for people who read traffic."""

    job_id: JobId
    attempt: AttemptNumber
    stream: Stream
    offset: Offset
    seq: Offset = 0


class Chunk(Message, frozen=True):
    """A piece of a stream in a request, its bytes in base64; `offset` and `seq` as in `OutputHeader`."""

    stream: Stream
    offset: Offset
    data: bytes
    seq: Offset = 0


class Chunks(Message, frozen=True):
    """Pieces of the output of one attempt, in the order in which they are to be stored."""

    job_id: JobId
    attempt: AttemptNumber
    chunks: Annotated[tuple[Chunk, ...], Meta(max_length=1000)] = ()


class AskJobs(Message, frozen=True):
    """A worker without a socket asks for jobs.

    claim  made up anew for each request but for repeats: the same claim gives the same jobs again. Without one the jobs
           come already granted, so they may be started at once
    wait   seconds to wait for a job, if there is none
    max    the most jobs to give; 0 asks for orders alone
    """

    claim: Key | None = None
    wait: Annotated[float, Meta(ge=0, le=60)] = 0.0
    max: Annotated[int, Meta(ge=0, le=256)] = 1


class StreamDone(Message, frozen=True):
    """A stream at its end: its length and SHA-256 as sent; `lost`: [from, to) of what was written and not sent."""

    bytes: Offset | None = None
    digest: Digest | None = None
    lost: Annotated[tuple[tuple[Offset, Offset], ...], Meta(max_length=1000)] = ()


class OutputDone(Message, frozen=True):
    stdout: StreamDone = StreamDone()
    stderr: StreamDone = StreamDone()


class Inline(Message, frozen=True):
    """Output that had not been sent yet: it ends where its stream ends."""

    stdout: Annotated[bytes, Meta(max_length=INLINE_MAX)] = b""
    stderr: Annotated[bytes, Meta(max_length=INLINE_MAX)] = b""


class Done(Message, frozen=True):
    """How an attempt ended. No `reason`: it is judged from exit code and signal."""

    job_id: JobId
    attempt: AttemptNumber
    exit_code: Annotated[int, Meta(ge=-(2**31), le=2**32 - 1)] | None = None
    signal: Annotated[int, Meta(ge=1, le=1024)] | None = None
    reason: Literal["exit", "signal", "timeout", "oom", "start", "image", "worker", "cancelled"] | None = None
    message: LongText | None = None
    output: OutputDone = OutputDone()
    inline: Inline = Inline()
    output_lost: bool = False
    output_cut: bool = False
    cpu_sec: Annotated[float, Meta(ge=0, le=1e12)] = 0.0
    peak_rss_bytes: Offset = 0
    left: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    survivors: Annotated[tuple[ShortText, ...], Meta(max_length=100)] = ()


# To the worker -------------------------------------------------------------------------------------------------------


class ContainerOrder(Message, frozen=True):
    """What the job runs in. As `model.job.Container`."""

    image: str
    network: Literal["none", "bridge"] = "none"
    pull: Literal["missing", "always", "never"] = "missing"
    user: str | None = None


class Assignment(Message, frozen=True):
    """A job to journal, and to start once that is granted."""

    job_id: JobId
    attempt: AttemptNumber
    command: str | tuple[str, ...]
    env: dict[str, str] = {}
    timeout_sec: Seconds | None = None
    kill_grace_sec: Seconds | None = None
    on_lost: Literal["hold", "requeue"] = "hold"
    cpu: float | None = None
    ram_mb: int | None = None
    stdin: bytes | None = None
    container: ContainerOrder | None = None
    name: str | None = None


class Told(Message, frozen=True):
    """The answer about one attempt.

    go      make the process (twice said is once meant)
    stop    end it and forget it: it is not yours, or not wanted
    ok      taken; forget what you keep of it
    resend  output is missing: send again from these offsets (`stdout`, `stderr`), then the result
    again   this could not be done now: ask again
    """

    job_id: JobId
    attempt: AttemptNumber
    tell: Literal["go", "stop", "ok", "resend", "again"]
    stdout: Offset | None = None
    stderr: Offset | None = None
    code: str | None = None
    message: str | None = None


class StopOrder(Message, frozen=True):
    """End the attempt, tree and all, and forget it. `message` says why."""

    job_id: JobId
    attempt: AttemptNumber
    message: str | None = None


class CancelOrder(Message, frozen=True):
    """The attempt was cancelled: TERM, grace, KILL, then report how it ended."""

    job_id: JobId
    attempt: AttemptNumber


class Lease(Message, frozen=True):
    """How long the worker may be silent, and how often it shall speak."""

    lease_sec: Seconds
    heartbeat_sec: Seconds


class Registered(Message, frozen=True):
    """Welcome. The worker's `heartbeat` with the complete list of what it holds comes next. `max_frame_bytes`: the
    largest message; what asks for an answer for each of its items shall take half of that, for the answer is larger.
    `draining`: somebody wants it to take no jobs (`Drain`)."""

    worker_id: str
    session: str
    lease_sec: Seconds
    heartbeat_sec: Seconds
    max_frame_bytes: int
    output_limit_bytes: int
    server_version: str = ""
    draining: bool = False


class Beat(Message, frozen=True):
    """The answer to a heartbeat: the lease is renewed; every `start` and `released` of it is answered, in its order."""

    lease_sec: Seconds
    heartbeat_sec: Seconds
    held: tuple[Told, ...] = ()
    start: tuple[Told, ...] = ()
    released: tuple[Told, ...] = ()
    cancel: tuple[CancelOrder, ...] = ()


class OutputAck(Message, frozen=True):
    """How far the output of an attempt is on stable storage. `tell` stop: send no more; resend: go on from here."""

    job_id: JobId
    attempt: AttemptNumber
    stdout: Offset = 0
    stderr: Offset = 0
    tell: Literal["ok", "stop", "resend", "again"] = "ok"
    code: str | None = None


class Drain(Message, frozen=True):
    """The server goes away: come back after about `reconnect_after_sec`. Or, with `draining`, somebody wants this
    worker to take no more jobs (true), or to take some again (false): it stays where it is."""

    reconnect_after_sec: Seconds | None = None
    message: str | None = None
    draining: bool | None = None


class Failure(Message, frozen=True):
    """What an item is answered when it could not be met, and what a socket is told before it is closed."""

    code: str
    message: str
    field: str | None = None
    mend: str | None = None
    retry_after_sec: Seconds | None = None
