"""schemathesis against a running server with a running worker: `python -m tests.api.schemathesis_run --minutes 5`.

It prints how often each operation was called and how it answered, keeps the whole output beside the reports, and ends
with 1 if a check failed or less than 90 % of the operations answered 2xx to a call that schemathesis made.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmdexec.errors import CODES
from cmdexec.protocol.openapi import document
from cmdexec.protocol.operations import ROUTES
from tests.support.server import Running, running
from tests.support.system import EMAIL, Worker, ends

MUST_REACH = 0.9
SEED = 1_407_2025
HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "unsupported_method",
    "allow_header_conformance", "ignored_auth",
)  # fmt: skip
"""All that make sense here: no resource is made by PUT or taken away by DELETE, and no header is required."""

REFUSALS = sorted({str(status) for status in CODES.values() if 400 <= status < 500})
"""What a bad request may be answered with: any of ours that says that it is the caller's fault."""

GOOD = ["2xx", "304", "401", "403", "404", "409", "413", "416", "429", "507"]
"""And a good one: done, or what the state of things does not allow; a range or a list may be good and too large."""

LEFT_OUT = "auth.logout"
"""It would end the login that all other calls are made by."""

HIGH = {"maxItems": 50, "maxProperties": 50, "maxLength": 300}

SETTINGS = {
    "LOGIN_WAIT_MAX_SEC": "0", "BODY_TIMEOUT_SEC": "5s", "KEEPALIVE_SEC": "60s", "LEASE_SEC": "60s",
    "HEARTBEAT_SEC": "10s", "SOCKET_SEND_TIMEOUT_SEC": "10s", "CLONE_REPLACEMENTS": "1000",
    "MAX_QUEUED_PER_USER": "1000000",
}  # fmt: skip


@dataclass
class Outcome:
    """What came of it. `answers`: operation → status → how often; `reached`: operations with a 2xx to a good call."""

    code: int
    output: str
    answers: dict[str, Counter[int]]
    reached: set[str]

    @property
    def share(self) -> float:
        return len(self.reached) / len(ROUTES)

    def table(self) -> str:
        lines = [f"{'operation':20} {'calls':>7} {'2xx':>7} {'4xx':>7} {'5xx':>5}  reached"]
        for route in ROUTES:
            found = self.answers.get(route.operation, Counter())
            by = {kind: sum(n for status, n in found.items() if status // 100 == kind) for kind in (2, 4, 5)}
            reached = "yes" if route.operation in self.reached else "no"
            lines.append(f"{route.operation:20} {found.total():7} {by[2]:7} {by[4]:7} {by[5]:5}  {reached}")
        return "\n".join([*lines, f"reached {len(self.reached)} of {len(ROUTES)} ({self.share:.0%})"])


def without_long_bounds(value: Any) -> Any:
    """The document without bounds that are high: to find a text or a list beyond them takes seconds each time."""
    if isinstance(value, list):
        return [without_long_bounds(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_long_bounds(one)
        for name, one in value.items()
        if not (name in HIGH and isinstance(one, int) and one > HIGH[name])
    }


def run(folder: Path, *arguments: str, long: bool = True) -> Outcome:
    """A server, a worker, and `st run` with these arguments; its output and reports go to `folder`."""
    with running(folder / "run", **SETTINGS) as server:
        worker = Worker(server.process, "real", slots=2)
        with ends(worker):
            worker.start(server.api())
            api = document() if long else without_long_bounds(document())
            outcome = _schemathesis(folder, server, api, *arguments)
            worker.must_run()
            server.process.must_run()
            worker.stop()
    return outcome


def _schemathesis(folder: Path, server: Running, described: dict[str, Any], *arguments: str) -> Outcome:
    api, counts = server.api(), folder / "counts"
    ended = api.create({"command": "echo out; echo err >&2"})["jobId"]
    api.wait_ended([ended])
    config = folder / "schemathesis.toml"
    config.write_text(
        f'[auth.openapi.user]\nbearer = "{server.tokens["admin"]}"\n'
        f'[auth.openapi.worker]\napi_key = "{server.credentials["worker"]}"\n'
        f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSALS}\n"
        f"[checks.positive_data_acceptance]\nexpected-statuses = {GOOD}\n"
    )
    (folder / "openapi.json").write_text(json.dumps(described))
    command = [
        str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run",
        str(folder / "openapi.json"), "--url", server.url, "--checks", ",".join(CHECKS), "--request-timeout", "10",
        "--no-color", "--report", "ndjson", "--report-dir", str(folder), "--exclude-operation-id", LEFT_OUT, *arguments,
    ]  # fmt: skip
    told = {
        "ST_URL": server.url, "ST_USER": server.tokens["admin"], "ST_WORKER": server.credentials["worker"],
        "ST_EMAIL": EMAIL, "ST_PASSWORD": server.process.password, "ST_ENDED": ended, "ST_COUNTS": str(counts),
        "SCHEMATHESIS_HOOKS": str(HOOKS),
    }  # fmt: skip
    with (folder / "output.txt").open("w+", encoding="utf-8") as output:
        done = subprocess.run(
            command, env=os.environ | told, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    answers: dict[str, Counter[int]] = defaultdict(Counter)
    reached: set[str] = set()
    for line in counts.read_text().splitlines() if counts.exists() else ():
        name, status, mode = line.split()
        answers[name][int(status)] += 1
        if status.startswith("2") and mode == "good":
            reached.add(name)
    return Outcome(done.returncode, (folder / "output.txt").read_text(), answers, reached)


def main() -> int:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cmdexec-schemathesis-"))
    outcome = run(
        folder, "--max-time", str(max(1, round(asked.minutes * 60))), "--seed", str(asked.seed),
        "--continue-on-failure",
    )  # fmt: skip
    print(f"{outcome.output}\n{outcome.table()}\nkept in {folder}")
    return 0 if outcome.code == 0 and outcome.share >= MUST_REACH else 1


if __name__ == "__main__":
    sys.exit(main())
