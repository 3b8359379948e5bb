"""What a job came to: all that it wrote and how it ended, or the failure that it was."""

import asyncio
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Literal

from cmdexec.client.jobs import JobCalls
from cmdexec.errors import CmdexecError, Refused
from cmdexec.protocol.requests import JobView, StreamView

TAIL_BYTES = 4096
"""How much of a failed job's stderr its failure shows."""


@dataclass(frozen=True, slots=True)
class Result:
    """A job that has ended, with what its last attempt wrote.

    exit_code   None where it had none: a signal ended it, or it never ran
    job         all that the server says of it
    """

    stdout: bytes
    stderr: bytes
    exit_code: int | None
    job: JobView

    @property
    def text(self) -> str:
        """`stdout` as text: UTF-8, with what is none replaced."""
        return self.stdout.decode("utf-8", "replace")


class JobFailed(Exception):
    """The job ended, but not as it should: `failed` or `cancelled`. That cmdexec fails is told by CmdexecError.

    job      all that the server says of it: `status`, `reason`, `exit_code`, `signal`, …
    stderr   the last of what it wrote there, up to 4 KiB
    result   everything that it wrote; None if that is more than `result_max_bytes`
    """

    def __init__(self, job: JobView, stderr: bytes, result: Result | None) -> None:
        super().__init__(job, stderr, result)
        self.job = job
        self.stderr = stderr
        self.result = result

    def __str__(self) -> str:
        named = f" ({self.job.name})" if self.job.name else ""
        said = f"Job {self.job.job_id}{named} {_how_it_ended(self.job)}."
        tail = self.stderr.decode("utf-8", "replace").rstrip()
        return f"{said} The end of its stderr:\n{tail}" if tail else said


class JobCancelled(JobFailed, CancelledError):
    """The job was cancelled, by whomever."""


def _how_it_ended(job: JobView) -> str:
    if job.status == "cancelled":
        return "was cancelled"
    if job.reason == "exit":
        return f"failed with exit code {job.exit_code}"
    if job.reason == "signal":
        return f"was ended by signal {job.signal}"
    return f"failed: {(job.message or job.reason or job.status).rstrip('.')}"


async def collect(client: JobCalls, job: JobView) -> Result:
    """The result of a job that has ended.

    Raises JobFailed unless it completed, and Refused("too_large") if one of its streams is longer than
    `result_max_bytes`.
    """
    if job.status == "completed":
        return await _whole(client, job)
    try:
        result = await _whole(client, job)
        tail = result.stderr[-TAIL_BYTES:]
    except Refused as wrong:
        if wrong.code != "too_large":
            raise
        result, tail = None, await _read(client, job, "stderr", job.output.stderr, last=TAIL_BYTES)
    kind = JobCancelled if job.status == "cancelled" else JobFailed
    raise kind(job, tail, result)


async def _whole(client: JobCalls, job: JobView) -> Result:
    most = client.settings.result_max_bytes
    for name, stream in (("stdout", job.output.stdout), ("stderr", job.output.stderr)):
        if stream.bytes > most:
            raise Refused(
                "too_large", f"Job {job.job_id} wrote {stream.bytes:,} bytes to {name}; a result holds {most:,}.",
                mend="Read it piece by piece with output(), or raise RESULT_MAX_BYTES.",
            )  # fmt: skip
    try:
        async with asyncio.TaskGroup() as both:
            stdout = both.create_task(_read(client, job, "stdout", job.output.stdout))
            stderr = both.create_task(_read(client, job, "stderr", job.output.stderr))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return Result(stdout.result(), stderr.result(), job.exit_code, job)


async def _read(
    client: JobCalls, job: JobView, name: Literal["stdout", "stderr"], stream: StreamView, last: int | None = None
) -> bytes:
    """The stored bytes of a stream, or its `last` ones. Raises CmdexecError if fewer come than the job says."""
    if not stream.bytes:
        return b""
    start = 0 if last is None else max(0, stream.bytes - last)
    pieces = client.output(job.job_id, name, attempt=job.attempts[-1].attempt, start=start, end=stream.bytes)
    data = b"".join([piece async for piece in pieces])
    if len(data) != stream.bytes - start:
        raise CmdexecError(
            "output_missing", f"Of {name} of job {job.job_id} came {len(data):,} bytes of {stream.bytes - start:,}."
        )
    return data
