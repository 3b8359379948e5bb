"""The API as any program would use it: plain HTTP by the standard library, nothing of cmdexec's own client."""

import http.client
import json
import uuid
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.waiting import until

ENDED = {"completed", "failed", "cancelled"}


class ApiError(AssertionError):
    """An answer other than 200; `status` and `error` are what came."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:2000]!r}")
        self.status = status
        try:
            self.error: dict[str, Any] = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            self.error = {}


class Api:
    """Calls to one server. Each call is one connection, so that nothing is left of a server that was killed."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host, self.port = parts.hostname, parts.port
        self.token = token

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, within: float = 30.0
    ) -> tuple[int, dict[str, str], bytes]:
        """One request; (status, headers, body) whatever the status. `body` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=within)
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        payload = body
        if body is not None and not isinstance(body, bytes):
            payload = json.dumps(body).encode()
        if payload is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, payload, sent | (headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """The JSON of a 200; ApiError otherwise."""
        status, _, answer = self.call(method, path, body, headers)
        if status != 200:
            raise ApiError(status, answer)
        return json.loads(answer)

    def login(self, email: str, password: str) -> None:
        self.token = self.ask("POST", "/api/auth/login", {"email": email, "password": password})["token"]

    def create(self, job: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Submit one job."""
        headers = {"Idempotency-Key": key} if key else None
        answer: dict[str, Any] = self.ask("POST", "/api/jobs/create", job, headers)
        return answer

    def create_many(self, jobs: list[dict[str, Any]], key: str | None = None) -> list[str]:
        """Submit up to 1,000 jobs; their ids in the order given."""
        answer = self.ask("POST", "/api/jobs/create", jobs, {"Idempotency-Key": key} if key else None)
        return [job["jobId"] for job in answer["jobs"]]

    def create_surely(self, jobs: list[dict[str, Any]], within: float = 60.0) -> list[str]:
        """Submit through whatever happens to the server: the same key again until it is acknowledged."""
        key = uuid.uuid4().hex

        def attempt() -> list[str] | None:
            try:
                return self.create_many(jobs, key)
            except (OSError, http.client.HTTPException):
                return None
            except ApiError as refused:
                if refused.status in (429, 503):
                    return None
                raise

        return until(attempt, "an acknowledged submission", within, step=0.05) or []

    def job(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("GET", f"/api/jobs/status?{urlencode({'jobId': job_id})}")
        return answer

    def jobs(self, job_ids: list[str]) -> list[dict[str, Any]]:
        """The jobs in the order asked, however many."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(job_ids), 100):
            part = job_ids[start : start + 100]
            if len(part) == 1:
                found.append(self.job(part[0]))
            else:
                found += self.ask("GET", f"/api/jobs/status?{urlencode([('jobId', one) for one in part])}")["jobs"]
        return found

    def cancel(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("POST", "/api/jobs/cancel", {"jobId": job_id})
        return answer

    def output(
        self, job_id: str, stream: str = "stdout", byte_range: str | None = None, attempt: int | None = None
    ) -> bytes:
        """Of the newest attempt, unless another is named."""
        headers = {"Range": f"bytes={byte_range}"} if byte_range else {}
        of = f"&attempt={attempt}" if attempt is not None else ""
        path = f"/api/jobs/{job_id}/output?stream={stream}{of}"
        status, _, body = self.call("GET", path, headers=headers, within=120)
        if status not in (200, 206):
            raise ApiError(status, body)
        return body

    def wait_status(self, job_id: str, *statuses: str, within: float = 20.0) -> dict[str, Any]:
        def stands() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in statuses else None

        return until(stands, f"{job_id} is {' or '.join(statuses)}", within) or {}

    def wait_ended(self, job_ids: list[str], within: float = 60.0) -> list[dict[str, Any]]:
        """Wait until all have ended; the jobs in the order asked."""
        open_ids = set(job_ids)

        def all_ended() -> bool:
            for job in self.jobs(sorted(open_ids)[:100]):
                if job["status"] in ENDED:
                    open_ids.discard(job["jobId"])
            return not open_ids

        until(all_ended, f"{len(job_ids)} jobs have ended", within, step=0.05)
        return self.jobs(job_ids)
