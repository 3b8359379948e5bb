"""What is stored, as the API shows it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from cmdexec.clock import rfc3339
from cmdexec.model.job import WAITING, Attempt, Job, Result, StreamEnd
from cmdexec.model.sentences import attempt_sentence, by_name
from cmdexec.model.waiting import Why
from cmdexec.protocol.codec import encode
from cmdexec.protocol.requests import (
    AttemptView,
    BackoffView,
    EventView,
    JobView,
    OutputView,
    ProofView,
    StreamView,
    UsageView,
    View,
)
from cmdexec.store.contract.output import OutputRow

MIB = 1024 * 1024

Rows = Mapping[tuple[str, int], OutputRow]
"""Rows of output by (job id, attempt): needed where no result tells how much there is."""

NO_ROWS: Rows = {}

Called = Callable[[str], str]
"""What people call a worker, by its id."""

_HEAD = b'{"jobId":"'

_NOTHING = StreamView(bytes=0, digest=None, whole=None, lost=())
_NO_OUTPUT = OutputView(stdout=_NOTHING, stderr=_NOTHING)


def needs_row(jobs: Sequence[Job]) -> list[tuple[str, int]]:
    """The (job id, attempt) whose rows `job_view` wants to have."""
    return [
        (job.job_id, attempt.number) for job in jobs for attempt in job.attempts if attempt.result is None
    ]  # fmt: skip


def job_view(job: Job, why: Why | None, rows: Rows = NO_ROWS, called: Called = str) -> JobView:
    """A job with all its attempts and its history. `why`: it waits, or cannot be started yet. `called`: the names of
    workers."""
    attempts = tuple(
        _attempt_view(job, attempt, job.dropped + place, rows, called) for place, attempt in enumerate(job.attempts, 1)
    )
    last = attempts[-1] if attempts else None
    spec, container = job.spec, job.spec.container
    phase = why.phase if why is not None else None
    return JobView(
        job_id=job.job_id,
        name=spec.name,
        command=spec.command,
        status=job.status.value,
        reason=job.reason.value if job.reason else None,
        exit_code=job.exit_code,
        signal=job.signal,
        message=by_name(job.message, (job.worker_id,), called),
        waiting_for=why.sentence if why is not None and phase is None else None,
        waiting_mend=why.mend if why is not None else None,
        phase=phase,
        attempt=job.attempt,
        run=job.runs,
        worker_id=job.worker_id,
        created_at=_time(job.created_at),
        queued_at=rfc3339(job.queued_at),
        started_at=rfc3339(job.started_at),
        finished_at=rfc3339(job.finished_at),
        cancel_requested=job.cancel_requested,
        confirmed=job.confirmed,
        timeout_sec=spec.timeout_sec,
        kill_grace_sec=spec.kill_grace_sec,
        cpu=spec.cpu,
        ram_mb=spec.ram_mb,
        labels=spec.requires,
        tags=spec.tags,
        priority=spec.priority,
        max_retries=spec.max_retries,
        retries_used=job.retries_used,
        retry_on=spec.retry_on,
        backoff=BackoffView(first_sec=spec.backoff.first_sec, max_sec=spec.backoff.max_sec),
        on_lost=spec.on_lost.value,
        max_lost=spec.max_lost,
        lost_used=job.lost_used,
        run_at=rfc3339(spec.run_at),
        ttl_sec=spec.ttl_sec,
        stdin_bytes=len(spec.stdin or b""),
        container_image=container.image if container else None,
        network=container.network if container else None,
        pull=container.pull if container else None,
        user=container.user if container else None,
        env=spec.env,
        rerun_of=job.rerun_of,
        owner=job.history[0].who or job.owner if job.history else job.owner,
        usage=last.usage if last else None,
        output=last.output if last and last.output else _NO_OUTPUT,
        attempts=attempts,
        history=_history(job, called),
    )  # fmt: skip


def job_views(jobs: Sequence[Job], fleet: "Fleet", rows: Rows = NO_ROWS) -> tuple[JobView, ...]:
    """Each as `job_view` shows it. Jobs that were submitted together are mostly alike but for what they run: such a one
    is shown as the one before it, which takes a quarter of the time."""
    views: list[JobView] = []
    last: Job | None = None
    for job in jobs:
        if last is not None and _alike(job, last):
            spec = job.spec
            view = replace(
                views[-1], job_id=job.job_id, name=spec.name, command=spec.command, env=spec.env,
                stdin_bytes=len(spec.stdin or b""),
            )  # fmt: skip
        else:
            view = job_view(job, fleet(job), rows, fleet.called)
        views.append(view)
        last = job
    return tuple(views)


class _Begin(View, frozen=True):
    """What a `JobView` begins with: of jobs that were submitted together mostly all that differs."""

    job_id: str
    name: str | None
    command: str | tuple[str, ...]


def as_json(views: Sequence[JobView], job_ids: Iterable[Sequence[str]]) -> list[bytes]:
    """Jobs as JSON, with commas between them, in pieces. `views` as `job_views` made them; `job_ids`: for each of them
    the ids of all jobs that it shows, but for the id."""
    pieces: list[bytes] = []
    last: JobView | None = None
    rest = whole = b""
    for view, ids in zip(views, job_ids, strict=True):
        if last is not None and _ends_as(view, last):
            rest = rest or whole[len(_begin(last)) :]
            whole = _begin(view) + rest
        else:
            rest, whole = b"", encode(view) + b","
        after = whole[len(_HEAD) + len(view.job_id) :]
        for job_id in ids:
            pieces += (_HEAD, job_id.encode(), after)
        last = view
    if pieces:
        pieces[-1] = pieces[-1][:-1]
    return pieces


def _begin(view: JobView) -> bytes:
    """Up to where all that `job_views` made of one another are the same."""
    return encode(_Begin(job_id=view.job_id, name=view.name, command=view.command))[:-1]


def _ends_as(view: JobView, other: JobView) -> bool:
    """Whether `job_views` made it of the other one, and nothing differs behind the command."""
    made_of_it = view.history is other.history and bool(view.history)
    return made_of_it and view.stdin_bytes == other.stdin_bytes and view.env == other.env


def _alike(job: Job, other: Job) -> bool:
    """Whether both wait, and never ran, and differ in nothing but their keys and what they run."""
    if job.attempts or job.status not in WAITING:
        return False
    spec, as_other = job.spec, other.spec
    return replace(
        spec, name=as_other.name, command=as_other.command, env=as_other.env, stdin=as_other.stdin
    ) == as_other and other == replace(
        job, job_id=other.job_id, submit_key=other.submit_key, body_hash=other.body_hash, spec=as_other
    )  # fmt: skip


class Fleet(Protocol):
    """Says why a job waits (`cmdexec.server.workers.Waits`)."""

    async def look(self, jobs: Iterable[Job]) -> None:
        """Look up what has to be known to say it of these. Raises Unavailable."""
        ...

    async def look_back(self, jobs: Iterable[Job]) -> None:
        """Work it out for these from what was looked up before."""
        ...

    def called(self, worker_id: str) -> str:
        """What people call that worker; its id if that is not known."""
        ...

    def __call__(self, job: Job) -> Why | None:
        """None: it runs, or has ended, or it is not known yet."""
        ...


def _history(job: Job, called: Called) -> tuple[EventView, ...]:
    held_by = (job.worker_id, *(attempt.worker_id for attempt in job.attempts))
    return tuple(
        EventView(
            at=_time(line.at), event=line.event, status=line.status.value, attempt=line.attempt, who=line.who,
            note=by_name(line.note, held_by, called),
        )
        for line in job.history
    )  # fmt: skip


def _attempt_view(job: Job, attempt: Attempt, run: int, rows: Rows, called: Called) -> AttemptView:
    result = attempt.result
    return AttemptView(
        attempt=attempt.number,
        run=run,
        worker_id=attempt.worker_id,
        started_at=_time(attempt.started_at),
        finished_at=rfc3339(attempt.ended_at),
        ok=attempt.ok,
        reason=attempt.end.value if attempt.end else None,
        exit_code=result.exit_code if result else None,
        signal=result.signal if result else None,
        message=by_name(attempt_sentence(job, attempt), (attempt.worker_id,), called),
        usage=_usage(result),
        output=_output(job, attempt, rows),
        proof=ProofView(left=result.left, survivors=result.survivors) if result else None,
    )


def _output(job: Job, attempt: Attempt, rows: Rows) -> OutputView:
    if attempt.result is not None:
        return OutputView(stdout=_stream(attempt.result.stdout), stderr=_stream(attempt.result.stderr))
    row = rows.get((job.job_id, attempt.number))
    # An end without a result is inferred: what the worker had not sent yet is gone, so nothing is known to be whole.
    whole = None if attempt.ended_at is None else False
    return OutputView(
        stdout=StreamView(bytes=row.stdout if row else 0, digest=None, whole=whole, lost=()),
        stderr=StreamView(bytes=row.stderr if row else 0, digest=None, whole=whole, lost=()),
    )


def _stream(end: StreamEnd) -> StreamView:
    return StreamView(bytes=end.bytes or 0, digest=end.digest, whole=end.whole, lost=end.lost)


def _usage(result: Result | None) -> UsageView | None:
    if result is None:
        return None
    return UsageView(cpu_sec=result.cpu_sec, peak_rss_mb=round(result.peak_rss_bytes / MIB, 3))


def _time(moment: int) -> str:
    return rfc3339(moment) or ""
