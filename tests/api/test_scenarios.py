"""Requests and their answers, one a line: who asks what, the status, what the answer has and what it must not have."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from cmdexec.protocol.requests import NOT_PROVIDED_YET
from tests.support.api import Api
from tests.support.server import Running

NOBODY = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"
CREATE, STATUS, CANCEL = "/api/jobs/create", "/api/jobs/status", "/api/jobs/cancel"


@dataclass(frozen=True)
class Scenario:
    name: str
    method: str
    path: str
    body: Any = None
    status: int = 200
    has: tuple[str, ...] = ()
    has_not: tuple[str, ...] = ("Traceback", "msgspec", "Expected `", "aiohttp")
    who: str = "operator"
    headers: tuple[tuple[str, str], ...] = ()


def post(name: str, path: str, body: Any, status: int, *has: str, **more: Any) -> Scenario:
    return Scenario(name, "POST", path, body, status, has, **more)


def get(name: str, path: str, status: int, *has: str, **more: Any) -> Scenario:
    return Scenario(name, "GET", path, None, status, has, **more)


SCENARIOS = (
    # creating
    post("a line for the shell", CREATE, {"command": "echo hi"}, 200, '"jobId"', '"status":"queued"', '"waitingFor":"'),
    post("a list of arguments", CREATE, {"command": ["echo", "hi"]}, 200, '"command":["echo","hi"]'),
    post("all fields", CREATE, {
        "command": "x", "env": {"A": "ü"}, "name": "n", "timeoutSec": 1.5, "killGraceSec": 0,
    }, 200, '"name":"n"', '"timeoutSec":1.5'),
    post("null is as left out", CREATE, {"command": "x", "name": None}, 200, '"name":null'),
    post("a list of jobs", CREATE, [{"command": "1"}, {"command": "2"}], 200, '{"jobs":[{"jobId"'),
    post("a list of one", CREATE, [{"command": "1"}], 200, '{"jobs":[{"jobId"'),
    post("an empty list", CREATE, [], 422, "may hold 1 to 1,000 jobs", "holds 0"),
    post("a list too long", CREATE, [{"command": "x"}] * 1001, 422, "may hold 1 to 1,000 jobs", "1,001"),
    post("a list after many blanks", CREATE, b" " * 100 + b'[{"command": "x"}]', 200, '{"jobs":[{"jobId"'),
    post("no command", CREATE, {}, 422, "`command` is missing", '"field":"command"'),
    post("a command that is a number", CREATE, {"command": 5}, 422, '"field":"command"', "it is a number"),
    post("an empty command", CREATE, {"command": ""}, 422, '"invalid_field"'),
    post("no arguments", CREATE, {"command": []}, 422, '"invalid_field"'),
    post("an empty program", CREATE, {"command": ["", "x"]}, 422, '"field":"command[0]"'),
    post("an argument that is a number", CREATE, {"command": ["a", 1]}, 422, '"field":"command[1]"'),
    post("NUL in a command", CREATE, {"command": "a\0b"}, 422, "without NUL"),
    post("the fault in a list is named", CREATE, [{"command": "x"}, {"command": 1}], 422, '"field":"[1].command"'),
    post("an unknown field", CREATE, {"command": "x", "comand": 1}, 422, '"unknown_field"', "Did you mean `command`"),
    post("a field of the inside", CREATE, {"command": "x", "owner": "me"}, 422, '"unknown_field"', '"field":"owner"'),
    post("a name of env with =", CREATE, {"command": "x", "env": {"A=B": ""}}, 422, "Each name in `env`"),
    post("a value of env", CREATE, {"command": "x", "env": {"A": 1}}, 422, "`env.A` must be text", '"field":"env.A"'),
    post("a value of env in a list", CREATE, [{"command": "x", "env": {"A": 1}}], 422, '"field":"[0].env.A"'),
    post("env of our own", CREATE, {"command": "x", "env": {"CMDEXEC_JOB_ID": "1"}}, 422, "set by cmdexec itself"),
    post("no time at all", CREATE, {"command": "x", "timeoutSec": 0}, 422, "above 0"),
    post("a time that is text", CREATE, {"command": "x", "timeoutSec": "5"}, 422, "must be a number", "it is text"),
    post("too large a job", CREATE, {"command": ["x", "y" * 131_000] + ["z" * 131_000] * 4}, 422, "bytes long"),
    post("a body that is a number", CREATE, 5, 400, '"bad_request"'),
    post("no body at all", CREATE, None, 422, "`command` is missing"),
    post("no JSON", CREATE, b"{", 400, '"bad_json"'),
    post("NaN", CREATE, b'{"command": "x", "timeoutSec": NaN}', 400, '"bad_json"'),
    post("infinity", CREATE, b'{"command": "x", "timeoutSec": 1e999}', 422, '"field":"timeoutSec"'),
    post("half a character", CREATE, b'{"command": "\xc3"}', 400, '"bad_json"'),
    post("half a surrogate", CREATE, b'{"command": "\\ud800"}', 400, '"bad_json"'),
    post("two bodies", CREATE, b'{"command": "x"}{}', 400, '"bad_json"'),
    post("nested deeply", CREATE, b'{"command": ' + b"[" * 60_000, 422, '"error"'),
    post("a form", CREATE, b"command=x", 415, "must be JSON",
         headers=(("Content-Type", "application/x-www-form-urlencoded"),)),
    post("JSON as text", CREATE, {"command": "x"}, 415, headers=(("Content-Type", "text/plain"),)),
    post("JSON in another charset", CREATE, {"command": "x"}, 415,
         headers=(("Content-Type", "application/json; charset=utf-16"),)),
    post("JSON that says UTF-8", CREATE, {"command": "x"}, 200,
         headers=(("Content-Type", 'application/json; charset="UTF-8"'),)),
    post("a compressed body", CREATE, b"\x1f\x8b", 415, "must not be compressed",
         headers=(("Content-Encoding", "gzip"),)),
    post("a query beside a body", f"{CREATE}?x=1", {"command": "x"}, 400, "takes no query"),
    post("a key with a space", CREATE, {"command": "x"}, 422, "Idempotency-Key", headers=(("Idempotency-Key", "a b"),)),
    post("a key too long", CREATE, {"command": "x"}, 422, headers=(("Idempotency-Key", "k" * 201),)),
    # looking
    get("no id", STATUS, 422, "`jobId` is missing"),
    get("an unknown id", f"{STATUS}?jobId={NOBODY}", 404, '"not_found"'),
    get("no id at all", f"{STATUS}?jobId=%00", 422, "an id of 36 characters"),
    get("a huge query", f"{STATUS}?jobId={'x' * 9000}", 422, '"invalid_field"'),
    get("an unknown parameter", f"{STATUS}?jobID={NOBODY}", 422, "Did you mean `jobId`"),
    get("a parameter of another type", f"/api/jobs/{NOBODY}/output?attempt=nan", 422, '"field":"attempt"'),
    get("a parameter twice", f"/api/jobs/{NOBODY}/output?stream=stdout&stream=stderr", 422, "more than once"),
    get("a parameter beside the path", f"/api/jobs/{NOBODY}/output?jobId={NOBODY}", 422, "no field `jobId`"),
    get("an unknown stream", f"/api/jobs/{NOBODY}/output?stream=stdin", 422, "one of `stderr`, `stdout`"),
    get("output of an unknown job", f"/api/jobs/{NOBODY}/output", 404),
    get("output of no id", "/api/jobs/..%2f..%2fetc/output", 404),
    get("an empty part", "/api/jobs//output", 404),
    get("a path in capitals", "/API/jobs/status", 404),
    get("a slash more", "/api/jobs/status/", 404),
    get("outside", "/nowhere", 404, "nothing at this path", who="none"),
    get("a dot in the path", "/api/./health", 404, who="none"),
    # cancelling
    post("cancel an unknown job", CANCEL, {"jobId": NOBODY}, 404),
    post("cancel a list of unknown ones", CANCEL, {"jobId": [NOBODY]}, 200, '"outcome":"not_found"', '"status":null'),
    post("cancel nothing", CANCEL, {"jobId": []}, 422),
    post("cancel by operator injection", CANCEL, {"jobId": {"$ne": ""}}, 422, "it is an object"),
    # logging in
    post("an unknown user", "/api/auth/login", {"email": "a@b", "password": "x"}, 401, "bad_credentials", who="none"),
    post("a wrong password", "/api/auth/login", {"email": "viewer@test", "password": "x"}, 401, who="none"),
    post("no password", "/api/auth/login", {"email": "a@b", "password": ""}, 422, who="none"),
    post("a huge password", "/api/auth/login", {"email": "a@b", "password": "x" * 1025}, 422, who="none"),
    post("a password that is an object", "/api/auth/login", {"email": "a@b", "password": {"$gt": ""}}, 422, who="none"),
    # health
    get("health for anyone", "/api/health", 200, '"status":"healthy"', who="none",
        has_not=("checks", "version", "python", "sqlite")),
    get("health for a viewer", "/api/health", 200, '"checks":{"store":"ok"', who="viewer"),
    # workers over HTTP
    post("another worker's id", "/api/workers/register", {"workerId": "other", "slots": 1}, 403, who="worker"),
    post("no slots", "/api/workers/register", {"slots": 0}, 422, '"field":"slots"', who="worker"),
    post("unknown fields of a worker are ignored", "/api/workers/register", {"slots": 1, "new": 1}, 200, who="worker"),
)  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_scenario(server: Running, scenario: Scenario) -> None:
    api = Api(server.url)
    headers = {**server.headers(scenario.who), **dict(scenario.headers)}
    status, _, body = api.call(scenario.method, scenario.path, scenario.body, headers)
    text = body.decode()
    assert status == scenario.status, text
    for part in scenario.has:
        assert part in text
    for part in scenario.has_not:
        assert part not in text
    if status >= 400:
        error = json.loads(text)
        assert set(error) == {"error"}
        assert set(error["error"]) <= {"code", "message", "field", "mend", "expected"}
        assert error["error"]["message"].endswith(".")


@pytest.mark.parametrize("field", sorted(NOT_PROVIDED_YET))
def test_a_field_of_a_later_version_is_refused_by_name(server: Running, field: str) -> None:
    status, _, body = server.api("operator").call("POST", CREATE, {"command": "x", field: 1})
    assert (status, json.loads(body)["error"]) == (422, {
        "code": "not_provided", "message": f"`{field}` is not provided by this version.", "field": field,
        "mend": "Leave it out.",
    })  # fmt: skip


def test_the_same_key_gives_the_same_jobs_and_another_body_is_refused(server: Running) -> None:
    api = server.api("operator")
    key = {"Idempotency-Key": "a-key-of-this-test"}
    first = api.ask("POST", CREATE, [{"command": "1"}, {"command": "2"}], key)
    again = api.ask("POST", CREATE, [{"command": "1"}, {"command": "2"}], key)
    assert [job["jobId"] for job in first["jobs"]] == [job["jobId"] for job in again["jobs"]]
    status, _, body = api.call("POST", CREATE, [{"command": "1"}, {"command": "3"}], key)
    assert (status, json.loads(body)["error"]["code"]) == (422, "key_reused")
    other = server.api("admin").ask("POST", CREATE, [{"command": "1"}, {"command": "2"}], key)
    assert {job["jobId"] for job in other["jobs"]}.isdisjoint(job["jobId"] for job in first["jobs"])


def test_several_jobs_come_in_the_order_asked(server: Running) -> None:
    api = server.api("operator")
    ids = api.create_many([{"command": str(number)} for number in range(5)])
    asked = "&".join(f"jobId={one}" for one in reversed(ids))
    assert [job["command"] for job in api.ask("GET", f"{STATUS}?{asked}")["jobs"]] == ["4", "3", "2", "1", "0"]


def test_as_many_ids_as_may_be_asked_fit_into_a_request(server: Running) -> None:
    api = server.api("operator")
    ids = api.create_many([{"command": "x"}] * 300)
    asked = "&".join(f"jobId={one}" for one in ids)
    assert len(api.ask("GET", f"{STATUS}?{asked}")["jobs"]) == 300
    assert api.call("GET", f"{STATUS}?{asked}&jobId={ids[0]}")[0] == 422


def test_a_job_is_cancelled_once_and_then_it_is_too_late(server: Running) -> None:
    api = server.api("operator")
    job_id = api.create({"command": "x"})["jobId"]
    assert api.cancel(job_id) == {"jobId": job_id, "outcome": "cancelled", "status": "cancelled"}
    assert api.cancel(job_id) == {"jobId": job_id, "outcome": "too_late", "status": "cancelled"}
    job = api.job(job_id)
    assert (job["confirmed"], job["message"]) == (True, "cancelled by operator@test")


def test_a_token_from_login_is_good_and_names_no_secret(server: Running) -> None:
    answer = Api(server.url).ask(
        "POST", "/api/auth/login", {"email": "VIEWER@test ", "password": server.process.password}
    )
    assert answer["user"] == {"userId": "viewer", "email": "viewer@test", "role": "viewer"}
    assert Api(server.url, answer["token"]).call("GET", "/api/workers/list")[0] == 200
    assert answer["token"] not in server.process.log.read_text()
    assert server.process.password not in server.process.log.read_text()


def test_every_answer_carries_the_headers_that_keep_browsers_safe(server: Running) -> None:
    for method, path in (("GET", "/api/health"), ("GET", "/nothing"), ("POST", CREATE), ("PUT", "/api/health")):
        _, headers, _ = Api(server.url).call(method, path)
        assert headers["server"] == "cmdexec"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control")]
