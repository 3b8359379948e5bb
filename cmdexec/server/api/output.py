"""The output of jobs: its bytes as they are stored, or as they come."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Literal, cast

from cmdexec.errors import Refused
from cmdexec.model.job import Job
from cmdexec.protocol.requests import FollowAttempt, FollowEnd, FollowOutput, OutputQuery
from cmdexec.server.api import ranges
from cmdexec.server.api.handler import EVENTS, Call, Event, Handlers, Reply
from cmdexec.server.api.views import Called, job_view, needs_row
from cmdexec.server.output import Follower, FollowEvent, JobEnded, NewAttempt, OutputReader, Piece
from cmdexec.store.contract.output import STREAMS
from cmdexec.store.contract.reads import Reads

_POINT = re.compile(r"(\d{1,10}):(\d{1,16}):(\d{1,16})", re.ASCII)


class OutputApi:
    """`jobs.output`. `called`: the names of workers."""

    def __init__(self, reads: Reads, reader: OutputReader, follower: Follower, called: Called) -> None:
        self._reads = reads
        self._reader = reader
        self._follower = follower
        self._called = called

    def handlers(self) -> Handlers:
        return {"jobs.output": self.output}

    async def output(self, call: Call) -> Reply:
        asked: OutputQuery = call.request
        (job,) = await self._reads.jobs.get([asked.job_id])
        if job is None:
            raise Refused("not_found", f"There is no job {asked.job_id}.", field="jobId")
        if asked.attempt is not None and asked.attempt > job.attempt:
            raise Refused("not_found", f"There was no attempt {asked.attempt} of this job.", field="attempt")
        if asked.follow == "0":
            return await self._stored(call, job, asked)
        if EVENTS in call.headers.get("Accept", ""):
            point = _Point.read(call.headers.get("Last-Event-ID"), asked.attempt)
            return Reply(self._events(job.job_id, asked.attempt, point), content_type=EVENTS)
        return Reply(self._bytes(job.job_id, asked), headers=_named(job, asked))

    async def _stored(self, call: Call, job: Job, asked: OutputQuery) -> Reply:
        """What is stored now. When its attempt has ended that is all there will be, and its digest is its ETag."""
        number = asked.attempt if asked.attempt is not None else (job.attempts[-1].number if job.attempts else 0)
        size = await self._reader.size(job.job_id, number, asked.stream) if number else 0
        headers = {"Accept-Ranges": "bytes", **_named(job, asked)}
        tag = _tag(job, number, asked.stream, size)
        if tag is not None:
            headers["ETag"] = tag
            if {tag, "*"} & _tags(call.headers.get("If-None-Match")):
                return Reply(None, 304, headers)
        condition = call.headers.get("If-Range")
        span: tuple[int, int] | None = None
        if condition is None or condition == tag:
            try:
                span = ranges.wanted(call.headers.get("Range"), size)
            except Refused as wrong:
                return Reply({"error": wrong.details()}, wrong.status, {"Content-Range": f"bytes */{size}"})
        start, end = span or (0, size)
        if span is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        pieces = self._reader.read(job.job_id, number, asked.stream, start, end)
        return Reply(pieces, 206 if span else 200, headers, length=end - start)

    async def _bytes(self, job_id: str, asked: OutputQuery) -> AsyncIterator[bytes]:
        async with aclosing(self._follow(job_id, asked.attempt, (asked.stream,), None)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    yield event.data

    async def _events(self, job_id: str, attempt: int | None, point: "_Point") -> AsyncIterator[Event]:
        """As events; each names the point after it, from which a reader that lost its connection goes on."""
        async with aclosing(self._from(job_id, attempt, point)) as events:
            async for event in events:
                if isinstance(event, NewAttempt):
                    point.enter(event.attempt)
                    begun = FollowAttempt(attempt=event.attempt, run=event.run, why=event.why)
                    yield Event("attempt", begun, str(point))
                elif isinstance(event, Piece):
                    point.at[event.stream] = event.offset + len(event.data)
                    stream: Literal["stdout", "stderr"] = "stdout" if event.stream == "stdout" else "stderr"
                    piece = FollowOutput(stream=stream, offset=event.offset, data=event.data)
                    yield Event("output", piece, str(point))
                elif isinstance(event, JobEnded):
                    wanted = needs_row([event.job])
                    found = await self._reads.output.rows(wanted) if wanted else []
                    rows = {key: row for key, row in zip(wanted, found, strict=True) if row is not None}
                    yield Event("end", FollowEnd(job=job_view(event.job, None, rows, self._called)), str(point))

    async def _from(self, job_id: str, attempt: int | None, point: "_Point") -> AsyncGenerator[FollowEvent, None]:
        """From `point` on: what is left of its attempt, then of each that came after it, then what comes."""
        number = point.attempt
        if attempt is not None or number is None:
            async with aclosing(self._follow(job_id, attempt, STREAMS, dict(point.at))) as events:
                async for event in events:
                    yield event
            return
        offsets: dict[str, int] | None = dict(point.at)
        while number is not None:
            async with aclosing(self._follow(job_id, number, STREAMS, offsets)) as events:
                async for event in events:
                    if isinstance(event, JobEnded) and any(run.number > number for run in event.job.attempts):
                        break
                    yield event
                    if isinstance(event, JobEnded):
                        return
            number, offsets = await self._after(job_id, number), None
        async with aclosing(self._follow(job_id, None, STREAMS, None)) as events:
            async for event in events:
                yield event

    async def _after(self, job_id: str, number: int) -> int | None:
        """The next attempt after `number` that has itself been followed by another; None if it is the newest."""
        (job,) = await self._reads.jobs.get([job_id])
        later = [run.number for run in job.attempts if run.number > number] if job is not None else []
        return later[0] if len(later) > 1 else None

    def _follow(
        self, job_id: str, attempt: int | None, streams: tuple[str, ...], offsets: Mapping[str, int] | None
    ) -> AsyncGenerator[FollowEvent, None]:
        events = self._follower.follow(job_id, attempt=attempt, streams=streams, offsets=offsets)
        return cast("AsyncGenerator[FollowEvent, None]", events)


class _Point:
    """Where a reader of events is: `attempt:stdout:stderr`."""

    def __init__(self, attempt: int | None, stdout: int, stderr: int) -> None:
        self.attempt = attempt
        self.at = {"stdout": stdout, "stderr": stderr}

    @classmethod
    def read(cls, header: str | None, attempt: int | None) -> "_Point":
        """From `Last-Event-ID`; the beginning if that is missing, not ours, or of another attempt than is asked for."""
        found = _POINT.fullmatch(header or "")
        if found is None or (attempt is not None and int(found[1]) != attempt):
            return cls(None, 0, 0)
        return cls(int(found[1]) or None, int(found[2]), int(found[3]))

    def enter(self, attempt: int) -> None:
        """What follows is of `attempt`."""
        if self.attempt != attempt:
            self.attempt = attempt
            self.at = {"stdout": 0, "stderr": 0}

    def __str__(self) -> str:
        return f"{self.attempt or 0}:{self.at['stdout']}:{self.at['stderr']}"


def _named(job: Job, asked: OutputQuery) -> dict[str, str]:
    if asked.download == "0":
        return {}
    return {"Content-Disposition": f'attachment; filename="{job.job_id}.{asked.stream}"'}


def _tag(job: Job, number: int, stream: str, size: int) -> str | None:
    attempt = job.attempt_named(number)
    if attempt is None or attempt.result is None:
        return None
    end = attempt.result.stdout if stream == "stdout" else attempt.result.stderr
    return f'"{end.digest}"' if end.digest and end.bytes == size else None


def _tags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
