"""Recording what a fault test does and what comes of it, as `cmdexec doctor --verify --history` reads it.

A line a call, written when the call is over, so that little is missing of a run that is broken off.
"""

import http.client
import json
import threading
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from cmdexec.admin.doctor.recorded.lines import DIGEST_DIGITS, STREAMS, numbered
from cmdexec.admin.doctor.recorded.record import Call, Calm, Case, End, Fault, Line, Ran, Stored, Stream, Wrote
from tests.support.api import Api
from tests.support.ledger import Ledger

_PAGE = 100


class Recorder:
    """One history of one case. Threads may share it. `ahead_sec`: how far the server's wall clock is ahead of ours."""

    def __init__(self, path: Path, name: str, number: int, seed: int, bound_sec: float) -> None:
        self.ahead_sec = 0.0
        self._began = time.time()
        self._file = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        began = round(self._began * 1000)
        self.write(Case(name=name, number=number, seed=seed, began=began, bound_sec=bound_sec))

    def close(self) -> None:
        self._file.close()

    def now(self) -> float:
        """Seconds since the case began."""
        return round(time.time() - self._began, 3)

    def write(self, line: Line) -> None:
        """One line; it is with the system when this returns."""
        with self._lock:
            self._file.write(msgspec.json.encode(line) + b"\n")

    def fault(self, what: str) -> None:
        self.write(Fault(self.now(), what))

    def calm(self) -> None:
        """The last fault is over."""
        self.write(Calm(self.now()))

    def finish(self, api: Api, ledger: Ledger, counts: dict[str, int] | None = None) -> list[Stored]:
        """Write down the ledger and what is stored of each job, and with that the end. `counts`: as the store counts
        its jobs by status."""
        for entry in ledger.entries():
            more = dict(entry.numbers)
            self.write(Wrote(entry.job_id, entry.attempt, entry.word, more.get("lines"), more.get("exit")))
        stored = [self._stored(api, job) for job in all_jobs(api)]
        for job in stored:
            self.write(job)
        self.write(End(self.now(), counts))
        return stored

    def _stored(self, api: Api, job: dict[str, Any]) -> Stored:
        return Stored(
            job=job["jobId"], name=job["name"], status=job["status"], attempt=job["attempt"], reason=job["reason"],
            exit=job["exitCode"], signal=job["signal"], on_lost=job["onLost"], max_retries=job["maxRetries"],
            max_lost=job["maxLost"], rerun_of=job["rerunOf"], ended_at=self._moment(job["finishedAt"]),
            ran=tuple(_ran(api, job["jobId"], one) for one in job["attempts"]),
            events=tuple((one["event"], one["status"], one["attempt"]) for one in job["history"]),
        )  # fmt: skip

    def _moment(self, told: str | None) -> float | None:
        if told is None:
            return None
        return round(datetime.fromisoformat(told).timestamp() - self.ahead_sec - self._began, 3)


def all_jobs(api: Api) -> list[dict[str, Any]]:
    """All that the server tells of, the oldest first."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.ask("GET", f"/api/jobs?{urlencode({'order': 'old', 'limit': str(_PAGE)} | cursor)}")
        found += api.jobs([job["jobId"] for job in page["jobs"]])
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def _ran(api: Api, job_id: str, attempt: dict[str, Any]) -> Ran:
    number, said = attempt["attempt"], attempt["output"] or {}
    streams = {name: _stream(api, job_id, number, name, said.get(name)) for name in STREAMS}
    return Ran(
        attempt=number, ended=attempt["finishedAt"] is not None, ok=attempt["ok"], reason=attempt["reason"],
        exit=attempt["exitCode"], signal=attempt["signal"], **streams,
    )  # fmt: skip


def _stream(api: Api, job_id: str, attempt: int, name: str, said: dict[str, Any] | None) -> Stream:
    stream = numbered(job_id, name, api.output(job_id, name, attempt=attempt))
    if said is None:
        return stream
    digest = said["digest"] and said["digest"][:DIGEST_DIGITS]
    return msgspec.structs.replace(stream, said_bytes=said["bytes"], said_digest=digest, whole=said["whole"])


class RecordingApi(Api):
    """Calls to one server, those that change something written down. Jobs get names by which they are known again when
    no answer comes: `KEY/PLACE`."""

    def __init__(self, url: str, token: str | None, recorder: Recorder, caller: str) -> None:
        super().__init__(url, token)
        self._recorder = recorder
        self._caller = caller

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, within: float = 30.0
    ) -> tuple[int, dict[str, str], bytes]:
        op = _operation(method, path)
        if op is None:
            return super().call(method, path, body, headers, within)
        key = (headers or {}).get("Idempotency-Key")
        if op == "jobs.create":
            body = _named(body, key or uuid.uuid4().hex)
        began, status, answer = self._recorder.now(), None, b""
        try:
            status, told, answer = super().call(method, path, body, headers, within)
        finally:
            took = round(self._recorder.now() - began, 3)
            fields = _fields(op, path, body, status, answer)
            self._recorder.write(
                Call(at=began, took=took, caller=self._caller, op=op, key=key, status=status, **fields)
            )
        return status, told, answer


def _operation(method: str, path: str) -> str | None:
    first = path.partition("?")[0]
    if method != "POST" or not first.startswith("/api/jobs/"):
        return None
    return f"jobs.{first.rpartition('/')[2]}"


def _named(body: Any, key: str) -> Any:
    if isinstance(body, list):
        return [{"name": f"{key[:12]}/{place}"} | job for place, job in enumerate(body)]
    return {"name": f"{key[:12]}/0"} | body


def _fields(op: str, path: str, body: Any, status: int | None, answer: bytes) -> dict[str, Any]:
    """What else is written down of a call; `answer` is empty where none came."""
    told = json.loads(answer) if answer else {}
    fields: dict[str, Any] = {"says": told.get("error", {}).get("code")}
    if op == "jobs.create":
        jobs = body if isinstance(body, list) else [body]
        fields["names"] = tuple(job["name"] for job in jobs)
    if op == "jobs.cancel":
        fields["jobs"] = (body["jobId"],)
        fields["says"] = told.get("outcome", fields["says"])
    elif op == "jobs.requeue":
        fields["jobs"] = (path.split("/")[3],)
    elif status == 200:
        fields["jobs"] = tuple(job["jobId"] for job in told.get("jobs", [told]))
    if op == "jobs.rerun":
        fields["of"] = path.split("/")[3]
    return fields


SILENCE = (OSError, http.client.HTTPException)
"""What is raised where no answer came."""
