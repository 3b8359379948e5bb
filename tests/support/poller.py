"""A worker that polls, as any program would: call by call, and with requests that are broken off."""

import base64
import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.support.api import Api
from tests.support.server import Running

Ref = dict[str, Any]


class Poller:
    """`name` is its worker id, by a token of the shared secret."""

    def __init__(self, run: Running, name: str, **headers: str) -> None:
        self.run = run
        self.name = name
        self.headers = {"x-worker-token": run.shared(workerId=name)} | headers
        self._calls = ThreadPoolExecutor(4)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status, and what its JSON says."""
        status, _, answer = Api(self.run.url).call(method, path, body, self.headers)
        return status, json.loads(answer) if answer else None

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status == 200, (path, status, answer)
        return answer

    def register(self, slots: int = 1, **more: Any) -> Any:
        return self.ok("POST", "/api/workers/register", {"slots": slots} | more)

    def poll(self, **asked: Any) -> tuple[int, Any]:
        return self.call("GET", f"/api/jobs/get-job?{urlencode(asked)}")

    def take(self, **asked: Any) -> list[Ref]:
        """The jobs of a poll that has to have some."""
        status, answer = self.poll(**({"wait": 10} | asked))
        assert status == 200, (status, answer)
        jobs: list[Ref] = answer["jobs"]
        return jobs

    def polling(self, **asked: Any) -> "Future[tuple[int, Any]]":
        """A poll that goes on beside."""
        return self._calls.submit(self.poll, **asked)

    def beat(self, *held: Ref, **more: Any) -> Any:
        return self.ok("POST", "/api/workers/heartbeat", {"jobs": [ref(job) for job in held]} | more)

    def send(self, job: Ref, *chunks: tuple[str, int, bytes]) -> tuple[int, Any]:
        """Pieces of output: stream, offset, bytes."""
        pieces = [
            {"stream": stream, "seq": place, "offset": offset, "data": base64.b64encode(data).decode()}
            for place, (stream, offset, data) in enumerate(chunks)
        ]
        return self.call("POST", "/api/jobs/stream-output", ref(job) | {"chunks": pieces})

    def result(self, job: Ref, **more: Any) -> tuple[int, Any]:
        how = {"exitCode": 0} | more
        return self.call("POST", "/api/jobs/submit-result", ref(job) | how)

    def check(self, job: Ref) -> Any:
        return self.ok("GET", f"/api/jobs/check-cancel?{urlencode(ref(job))}")

    @contextmanager
    def open_poll(self, **asked: Any) -> Iterator[socket.socket]:
        """A poll on a connection of its own, which is broken off at the end."""
        with socket.create_connection(("127.0.0.1", self.run.process.port), timeout=10) as connection:
            lines = [f"GET /api/jobs/get-job?{urlencode(asked)} HTTP/1.1", f"Host: 127.0.0.1:{self.run.process.port}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            yield connection


def ref(job: Ref) -> Ref:
    """The attempt, named."""
    return {"jobId": job["jobId"], "attempt": job["attempt"]}
