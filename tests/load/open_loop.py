"""Callers that do not wait for one another: each call is made when it is due, however many are unanswered, over as many
connections as that takes. HTTP by hand, so that it is cheap."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_ANSWER_SEC = 60.0
_MOST = 4000
"""Connections: fewer than the server bears (MAX_CONNECTIONS), so none is sent away for that."""


@dataclass
class Answers:
    """What came of the calls.

    told      how often each status was, with the code of the refusal
    faults    answers that were none, or refusals that do not say when to come again
    job_ids   of what was taken
    took      seconds that an answer took at most; late: that a call was behind its time
    """

    told: Counter[tuple[int, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    late: float = 0.0
    took: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.told.values()) + len(self.faults)


class OpenLoop:
    """Submissions of one list of jobs, again and again, by one user."""

    def __init__(self, url: str, token: str, jobs: list[dict[str, Any]]) -> None:
        parts, body = urlsplit(url), json.dumps(jobs).encode()
        self._host, self._port = parts.hostname or "", parts.port or 0
        head = (
            f"POST /api/jobs/create HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open = 0
        self.answers = Answers()

    async def run(self, each_sec: float, go_on: Callable[[], bool]) -> Answers:
        """So many calls a second, evenly, until told otherwise; returns when all are answered."""
        began, answers = time.monotonic(), self.answers
        async with asyncio.TaskGroup() as group:
            for due in _due(began, each_sec):
                wait = due - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                answers.late = max(answers.late, -wait)
                if not go_on():
                    break
                group.create_task(self._call())
        for _, writer in self._idle:
            writer.close()
        return answers

    async def _call(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_ANSWER_SEC):
                line = self._idle.pop() if self._idle else await self._connection()
                line[1].write(self._request)
                status, headers, body = await _answer(line[0])
        except (OSError, EOFError, TimeoutError, ValueError) as fault:
            self.answers.faults.append(repr(fault))
            return
        self._idle.append(line)
        self.answers.took = max(self.answers.took, time.monotonic() - began)
        said = json.loads(body)
        self.answers.told[status, said["error"]["code"] if "error" in said else ""] += 1
        if status == 200:
            self.answers.job_ids += [job["jobId"] for job in said["jobs"]]
        elif int(headers.get(b"retry-after", b"0")) < 1:
            self.answers.faults.append(f"{status} without Retry-After: {body[:200]!r}")

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._open += 1
        if self._open > _MOST:
            raise OSError(f"more than {_MOST} calls are unanswered")
        return await asyncio.open_connection(self._host, self._port)


def _due(began: float, each_sec: float) -> Iterator[float]:
    number = 0
    while True:
        yield began + number / each_sec
        number += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers.get(b"content-length", b"0")))
