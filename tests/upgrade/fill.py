"""Fill a store with 1,000 jobs that cover every status and reason: `python -m tests.upgrade.fill FOLDER`.

It drives the cmdexec of the interpreter that runs it. The server is killed at the end, so the store is as a crash
leaves it: jobs are assigned, running and unknown in it. Beside the store goes `jobs.json`: how each job stood.
"""

import base64
import hashlib
import hmac
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.api import Api
from tests.support.system import FAST, Server, Worker, ends
from tests.support.waiting import until

Job = dict[str, Any]

NEVER = {"requires": {"room": "of nobody"}}
"""No worker has such a label."""

BY_REASON: dict[str, Job] = {
    "exit": {"command": "echo out; echo err >&2; exit 3"},
    "signal": {"command": "kill -9 $$"},
    "timeout": {"command": "sleep 60", "timeoutSec": 0.2, "killGraceSec": 0},
    "start": {"command": ["/no/such/program"]},
    "expired": {"command": "true", "ttlSec": 0.5, **NEVER},
}
"""Jobs that fail by themselves."""


ASSIGNED = 5
"""They come last: who holds them says nothing more, so they would soon be taken from it."""


class Puppet:
    """A worker that says what it is told to: by the six calls of a worker that polls."""

    def __init__(self, server: Server, name: str) -> None:
        now = int(time.time())
        said = {"workerId": name, "iat": now, "exp": now + 3600}
        head, body = (_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, said))
        signed = hmac.digest(server.secret.encode(), f"{head}.{body}".encode(), hashlib.sha256)
        self._headers = {"x-worker-token": f"{head}.{body}.{_b64(signed)}"}
        self._api = Api(server.url)
        self._name = name
        self.call("POST", "/api/workers/register", {"slots": 500, "labels": {"puppet": name}})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self._api.ask(method, path, body, self._headers)

    def job(self, command: str = "true", **more: Any) -> Job:
        """A job that only this worker gets."""
        return {"command": command, "requires": {"puppet": self._name}, **more}

    def take(self, count: int, claim: str = "") -> list[Job]:
        """As many jobs: granted, or with a `claim` only assigned."""
        taken: list[Job] = []
        while len(taken) < count:
            asked = f"wait=10&max={count - len(taken)}" + (f"&claim={claim}" if claim else "")
            taken += self.call("GET", f"/api/jobs/get-job?{asked}")["jobs"]
        return taken

    def end(self, job: Job, **how: Any) -> None:
        self.call("POST", "/api/jobs/submit-result", {"jobId": job["jobId"], "attempt": job["attempt"], **how})


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def fill(server: Server, folder: Path) -> dict[str, Job]:
    """Job id → status and reason, once all stand as they shall."""
    api = server.api()
    wanted: dict[str, tuple[str, str | None]] = {}

    def submit(jobs: list[Job], status: str, reason: str | None = None) -> list[str]:
        made = api.create_many(jobs)
        wanted.update(dict.fromkeys(made, (status, reason)))
        return made

    worker = Worker(server, "worker", slots=8, **FAST).start(api)
    with ends(worker):
        submit([{"command": f"echo {number}; echo {number} >&2"} for number in range(700)], "completed")
        for reason, job in BY_REASON.items():
            submit([{**job, "name": f"{reason} {number}", "tags": [reason]} for number in range(12)], "failed", reason)
        submit([{"command": "cat", "stdin": _b64(b"x" * 99), "env": {"A": "b"}} for _ in range(10)], "completed")
        submit([{"command": "exit 75", "maxRetries": 2, "retryOn": ["exit:75"], "backoff": {"firstSec": 0.1}}
                for _ in range(10)], "failed", "exit")  # fmt: skip
        submit([{"command": "true", "runAt": "2099-01-01T00:00:00Z", "priority": n} for n in range(10)], "scheduled")
        submit([{"command": "true", **NEVER} for _ in range(60)], "queued")
        asked = submit([{"command": "sleep 600"} for _ in range(4)], "cancelled")
        for job_id in asked:
            api.wait_status(job_id, "running", within=120)
        for job_id in asked + submit([{"command": "true", **NEVER} for _ in range(16)], "cancelled"):
            api.cancel(job_id)
        _puppets(server, submit)
        running = submit([{"command": "echo begun; sleep 600"} for _ in range(4)], "running")
        for job_id in running:
            api.wait_status(job_id, "running")
        submit([{"command": "true", **NEVER} for _ in range(1000 - ASSIGNED - len(wanted))], "queued")

        def otherwise() -> list[tuple[Any, ...]]:
            stands = [(job, (job["status"], job["reason"])) for job in api.jobs(list(wanted))]
            return [(job["command"], wanted[job["jobId"]], so) for job, so in stands if so != wanted[job["jobId"]]]

        try:
            until(lambda: not otherwise(), "all jobs stand as they shall", 60, step=0.5)
        except AssertionError as late:
            raise AssertionError(f"job, as it shall stand, as it stands: {otherwise()[:20]}") from late
        holds = Puppet(server, "holds")
        submit([holds.job() for _ in range(ASSIGNED)], "assigned")
        holds.take(ASSIGNED, claim="kept")
        assert not otherwise()
        server.kill9()
    return {job_id: {"status": status, "reason": reason} for job_id, (status, reason) in wanted.items()}


def _puppets(server: Server, submit: Any) -> None:
    """What needs a worker of a kind that is not at hand: it says so, or vanishes."""
    says = Puppet(server, "says")
    for reason in ("oom", "image", "worker"):
        submit([says.job() for _ in range(5)], "failed", reason)
        for job in says.take(5):
            says.end(job, reason=reason)
    vanishes = Puppet(server, "vanishes")
    submit([vanishes.job(onLost="requeue", maxLost=0) for _ in range(5)], "failed", "lost")
    submit([vanishes.job() for _ in range(5)], "unknown")
    vanishes.take(10)


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    server = Server(folder / "made", **FAST).start()
    with ends(server):
        stood = fill(server, folder)
    shutil.copytree(server.data, folder / "store", ignore=shutil.ignore_patterns("worker", "*.lock", "runtime.json"))
    (folder / "jobs.json").write_text(json.dumps(stood, indent=0, sort_keys=True))


if __name__ == "__main__":
    main()
