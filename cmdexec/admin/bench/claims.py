"""A worker that polls, for the one question what a claim costs: it takes jobs, and says that they are done."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.setting import Bench
from cmdexec.admin.bench.system import Serving
from cmdexec.link.http import session
from cmdexec.protocol.messages import Done, OutputDone, Register, StreamDone
from cmdexec.protocol.polling import GivenJobs
from cmdexec.worker.token import signed_token

_TIMEOUT_SEC = 30.0
_NAME = "bench-claims"
_EMPTY = OutputDone(stdout=StreamDone(bytes=0), stderr=StreamDone(bytes=0))


@asynccontextmanager
async def claiming(bench: Bench, server: Serving, jobs: int) -> AsyncIterator[Callable[[], Awaitable[float]]]:
    """A worker whose one call asks for `jobs` jobs: the seconds from when it is sent until they are there. They are
    said to be done before it returns."""
    clock = bench.runtime.clock
    token = signed_token(server.secret, _NAME, clock, lifetime_sec=3600, skew_sec=5)

    async with session(connect_timeout_sec=_TIMEOUT_SEC, total_sec=_TIMEOUT_SEC) as http:
        calls = _Calls(http, server.url, {"x-worker-token": token})
        await calls.post("/api/workers/register", Register(slots=jobs, name=_NAME))

        async def claim() -> float:
            query = {"claim": bench.runtime.ids.new(), "wait": "10", "max": str(jobs)}
            began = clock.elapsed()
            given = await calls.get_jobs(query)
            took = clock.elapsed() - began
            if len(given.jobs) != jobs:
                raise failed(f"A request for {jobs} of many jobs was given {len(given.jobs)}.")
            done = [Done(job_id=job.job_id, attempt=job.attempt, exit_code=0, output=_EMPTY) for job in given.jobs]
            await calls.post("/api/jobs/submit-result", done)
            return took

        yield claim


class _Calls:
    def __init__(self, http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._http = http
        self._url = url
        self._headers = headers

    async def get_jobs(self, query: dict[str, str]) -> GivenJobs:
        async with self._http.get(f"{self._url}/api/jobs/get-job", params=query, headers=self._headers) as answer:
            return msgspec.json.decode(await _body(answer), type=GivenJobs)

    async def post(self, path: str, what: Any) -> bytes:
        headers = self._headers | {"Content-Type": "application/json"}
        async with self._http.post(f"{self._url}{path}", data=msgspec.json.encode(what), headers=headers) as answer:
            return await _body(answer)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.read()
    if answer.status != 200:
        raise failed(f"{answer.url.path} is answered {answer.status}: {body[:200].decode(errors='replace')}")
    return body
