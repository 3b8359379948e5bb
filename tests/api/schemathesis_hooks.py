"""What schemathesis cannot make up: jobs and attempts that are there, and commands that harm nobody.

`st` loads this file. Variables tell it of the server: ST_URL, ST_USER and ST_WORKER (tokens), ST_EMAIL, ST_PASSWORD,
ST_ENDED (a job), ST_COUNTS (a file that gets a line `operation status mode` for each call).
"""

import hashlib
import json
import os
import shlex
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unicodedata import category

import schemathesis
from schemathesis.generation import GenerationMode

URL = os.environ["ST_URL"]
CREDENTIALS = {
    "user": {"Authorization": f"Bearer {os.environ['ST_USER']}"}, "worker": {"x-worker-token": os.environ["ST_WORKER"]},
}  # fmt: skip
WAIT_MAX_SEC = 0.05
SHELL_MAX = 131_072
REAL_MAX = 3
"""Of a list of results, so many are of attempts that are there: it may have thousands."""
ROUNDS = 20

_turns: dict[str, int] = {}
_attempts: list[dict[str, Any]] = []


def ask(who: str, method: str, path: str, body: Any = None) -> Any:
    """A call of our own, beside those of schemathesis. None for an answer without a body."""
    payload = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(  # noqa: S310 (its own server)
        URL + path, payload, CREDENTIALS[who] | {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text else None


def turn(name: str, of: int) -> bool:
    """Whether it is this one's turn: once in `of`."""
    _turns[name] = _turns.get(name, -1) + 1
    return _turns[name] % of == 0


def job(command: str = "echo out; echo err >&2") -> str:
    return str(ask("user", "POST", "/api/jobs/create", {"command": command})["jobId"])


def ended_job() -> str:
    """A job of which nothing more will come: followed, its output ends."""
    return os.environ["ST_ENDED"]


def attempt() -> dict[str, Any]:
    """An attempt that schemathesis' worker holds and may speak of."""
    for _ in range(ROUNDS):
        if _attempts:
            break
        name = uuid.uuid4().hex
        ask("worker", "POST", "/api/workers/register", {"slots": 100, "session": name, "instanceId": name})
        ask("user", "POST", "/api/jobs/create", [{"command": "true"}] * 20)
        given = ask("worker", "GET", "/api/jobs/get-job?max=20&wait=5")
        _attempts.extend(given["jobs"] if given else ())
    return _attempts.pop()


def join_token() -> dict[str, Any]:
    made: dict[str, Any] = ask("user", "POST", "/api/join-tokens", {"uses": 100_000})
    return made


def spare_worker() -> str:
    """A worker of which nothing is wanted any more: joined, and registered once."""
    credential = f"wc_{uuid.uuid4().hex}{uuid.uuid4().hex[:11]}"
    hashed = hashlib.sha256(credential.encode()).hexdigest()
    joined = ask("user", "POST", "/api/workers/join", {"token": join_token()["token"], "credentialHash": hashed})
    CREDENTIALS["spare"] = {"x-worker-token": credential}
    ask("spare", "POST", "/api/workers/register", {"slots": 1})
    return str(joined["workerId"])


def harmless(command: Any) -> Any:
    """The same kind and length of command, and nothing that a shell would do anything about."""
    if isinstance(command, str) and command and "\0" not in command:
        quoted = f"true {shlex.quote(command)}"
        return quoted if len(quoted) <= SHELL_MAX else f"true {'x' * (len(command) - 5)}"
    if isinstance(command, list) and command and isinstance(command[0], str) and command[0]:
        return ["true", *command[1:]]
    return command


def create(case: Any) -> None:
    for one in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(one, dict) and "command" in one:
            one["command"] = harmless(one["command"])


def key(case: Any) -> None:
    """A key of its own for each body: to send one with another body is a fault that no schema can tell. Nor can it tell
    a moment without formats, nor that reasons to retry want retries, and what is of a container its image."""
    for one in case.body if isinstance(case.body, list) else [case.body]:
        if one.get("runAt") is not None:
            one["runAt"] = "2999-01-31T12:00:00+01:00"
        if one.get("retryOn") and one.get("maxRetries", 0) == 0:
            one["maxRetries"] = 1
        if one.get("containerImage") is None:
            for name in ("network", "pull", "user"):
                one.pop(name, None)
    if turn("key", 2):
        case.headers.pop("Idempotency-Key", None)
    elif "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = hashlib.sha256(json.dumps(case.body).encode()).hexdigest()


def login(case: Any) -> None:
    if turn("login", 3):
        case.body = {"email": os.environ["ST_EMAIL"], "password": os.environ["ST_PASSWORD"]}


def listed(case: Any) -> None:
    """Where a page goes on is nothing that one makes up; nor is a moment, for a schema without formats."""
    case.query.pop("cursor", None)
    for name in {"from", "to"} & set(case.query):
        case.query[name] = "-7d"


def again(case: Any) -> None:
    case.path_parameters["jobId"] = ended_job()
    case.headers.pop("Idempotency-Key", None)


def one_worker(case: Any) -> None:
    case.path_parameters["workerId"] = spare_worker()


def join(case: Any) -> None:
    case.body["token"] = join_token()["token"]


def one_join_token(case: Any) -> None:
    case.path_parameters["joinTokenId"] = join_token()["joinTokenId"]


def new_user(case: Any) -> None:
    """Characters that nobody can see are refused, and a pattern cannot name them all."""
    email = case.body["email"]
    if any(category(one) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for one in email):
        case.body["email"] = f"{uuid.uuid4().hex}@test"


def one_user(case: Any) -> None:
    user = ask("user", "POST", "/api/users", {"email": f"{uuid.uuid4().hex}@test", "password": "of no use to anybody"})
    case.path_parameters["userId"] = user["userId"]
    if isinstance(case.body, dict) and case.body.get("newPassword"):
        case.body.pop("password", None)


def status(case: Any) -> None:
    case.query["jobId"] = [ended_job(), job()] if turn("status", 2) else [ended_job()]


def cancel(case: Any) -> None:
    case.body["jobId"] = job("sleep 60") if turn("cancel", 2) else [job("sleep 60"), ended_job()]


def output(case: Any) -> None:
    case.path_parameters["jobId"] = ended_job()
    if turn("output", 2):
        case.query.pop("attempt", None)


def check(case: Any) -> None:
    held = attempt()
    case.query |= {"jobId": held["jobId"], "attempt": held["attempt"]}


def stream(case: Any) -> None:
    held, at = attempt(), {"stdout": 0, "stderr": 0}
    case.body |= {"jobId": held["jobId"], "attempt": held["attempt"]}
    for chunk in case.body.get("chunks", ()):
        padding = chunk["data"].count("=")
        chunk["offset"] = at[chunk["stream"]]
        at[chunk["stream"]] += len(chunk["data"]) // 4 * 3 - padding


def done(case: Any) -> None:
    for one in case.body[:REAL_MAX] if isinstance(case.body, list) else [case.body]:
        held = attempt()
        one |= {"jobId": held["jobId"], "attempt": held["attempt"]}
        if turn("done", 2):
            one.pop("output", None)
            one.pop("inline", None)
            one["exitCode"] = 0
            one.pop("signal", None)
            one.pop("reason", None)


def whole(value: Any) -> Any:
    """With 1 in place of 1.0: a schema takes them for the same, a decoder of whole numbers does not."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


MENDS: dict[str, Callable[[Any], None]] = {
    "auth.login": login, "jobs.create": key, "jobs.status": status, "jobs.cancel": cancel, "jobs.output": output,
    "jobs.list": listed, "jobs.rerun": again, "workers.get": one_worker, "workers.change": one_worker,
    "workers.revoke": one_worker, "workers.join": join, "join_tokens.revoke": one_join_token, "users.create": new_user,
    "users.change": one_user,
    "attempts.check": check, "attempts.output": stream, "attempts.done": done,
}  # fmt: skip


def name_of(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


def is_good(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    name = name_of(case)
    if isinstance(case.body, dict | list):
        case.body = whole(case.body)
    if name == "jobs.create":
        create(case)
    if name == "attempts.claim" and isinstance(case.query, dict) and "wait" in case.query:
        with suppress(TypeError, ValueError):
            if 0 <= float(case.query["wait"]) <= 60:
                case.query["wait"] = min(float(case.query["wait"]), WAIT_MAX_SEC)
    if is_good(case) and name in MENDS:
        MENDS[name](case)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    name = name_of(case)
    if name == "workers.register":
        _attempts.clear()  # they were given to the session before
    mode = "good" if is_good(case) else "bad"
    with open(os.environ["ST_COUNTS"], "a", encoding="utf-8") as counts:
        counts.write(f"{name} {response.status_code} {mode}\n")
