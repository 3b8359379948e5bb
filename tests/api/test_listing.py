"""`GET /api/jobs`: what is asked for, page by page, and what is wrong told in words."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.api import Api, ApiError
from tests.support.server import Running, running
from tests.support.speaker import speaking

MARK = "listing-tests"


def listed(api: Api, *fields: tuple[str, Any], **more: Any) -> list[dict[str, Any]]:
    """All pages of the jobs that these tests made."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        query = urlencode([("tag", MARK), *fields, *more.items(), *cursor.items()])
        page = api.ask("GET", f"/api/jobs?{query}")
        found += page["jobs"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


@pytest.fixture(scope="module")
def made(server: Running) -> list[str]:
    jobs: list[dict[str, Any]] = [
        {"command": ["echo", "x" * 500], "name": f"Listing job {number}", "tags": [MARK, f"n{number % 2}"],
         "priority": number, "requires": {"listing": "nobody has it"}}
        for number in range(9)
    ]  # fmt: skip
    jobs.append({"command": "x" * 1000, "tags": [MARK], "runAt": "2999-01-01T00:00:00+01:00"})
    return server.api().create_many(jobs)


def test_the_newest_come_first_and_pages_give_each_once(server: Running, made: list[str]) -> None:
    api = server.api("viewer")
    for limit in (1, 4, 100):
        assert [job["jobId"] for job in listed(api, limit=limit)] == made[::-1]
        assert [job["jobId"] for job in listed(api, limit=limit, order="old")] == made


def test_a_page_is_empty_and_not_the_last_only_after_a_long_look(tmp_path: Path) -> None:
    for look, found in (("5", 1), ("4", 0)):
        with running(tmp_path / look, LIST_SCAN_JOBS="2", LIST_LOOK_JOBS=look) as server:
            mine = server.api("operator").create({"command": "true"})["jobId"]
            server.api().create_many([{"command": "true"}] * 4)
            page = server.api("operator").ask("GET", "/api/jobs?owner=me")
            assert [job["jobId"] for job in page["jobs"]] == [mine][:found]
            assert (page["next"] is None) == (found == 1)
            if not found:
                page = server.api("operator").ask("GET", f"/api/jobs?owner=me&cursor={page['next']}")
                assert [job["jobId"] for job in page["jobs"]] == [mine]


def test_ones_own_are_those_that_one_has_submitted(server: Running, made: list[str]) -> None:
    assert [job["jobId"] for job in listed(server.api(), owner="me")] == made[::-1]
    assert listed(server.api("viewer"), owner="me") == []


def test_a_row_says_how_a_job_stands_with_a_command_of_readable_length(server: Running, made: list[str]) -> None:
    scheduled, last, *_ = listed(server.api())
    assert scheduled["jobId"] == made[-1]
    assert scheduled["command"] == "x" * 300 + "…"
    assert (scheduled["status"], scheduled["waitingFor"]) == ("scheduled", "its time, 2998-12-31T23:00:00.000Z")
    assert last["command"] == ["echo", "x" * 295 + "…"]
    assert (last["status"], last["priority"], last["name"]) == ("queued", 8, "Listing job 8")
    assert last["tags"] == [MARK, "n0"]


@pytest.mark.parametrize(("fields", "count"), [
    ([("status", "queued")], 9), ([("status", "scheduled"), ("status", "queued")], 10), ([("status", "running")], 0),
    ([("reason", "oom")], 0), ([("worker", "nobody")], 0), ([("q", "listing JOB")], 9), ([("q", "job 3")], 1),
    ([("q", "n1")], 4), ([("q", "nothing is called so")], 0), ([("from", "-1h")], 10), ([("to", "-1h")], 0),
    ([("from", "2020-01-31T12:00:00Z"), ("to", "2999-01-31T12:00:00+01:00")], 10),
    ([("status", "queued"), ("q", "listing job"), ("from", "-7d")], 9),
])  # fmt: skip
def test_all_that_is_named_has_to_hold(
    server: Running, made: list[str], fields: list[tuple[str, str]], count: int
) -> None:
    assert made
    assert len(listed(server.api(), *fields)) == count


def test_a_job_is_found_by_any_part_of_its_id(server: Running, made: list[str]) -> None:
    for part in (made[3], made[3][:-1], made[3][-12:]):
        assert [job["jobId"] for job in listed(server.api(), q=part)] == [made[3]]


@pytest.mark.parametrize(("query", "says"), [
    ("status=done", "`status` must be one of"), ("reason=cancelled", "`reason` must be one of"),
    ("limit=0", "`limit` must be a whole number from 1 to 1,000."), ("limit=1001", "`limit`"), ("order=up", "`order`"),
    ("from=yesterday", "`from` must be a moment such as 2025-01-31T12:00:00Z, or so long before now, such as -7d or"),
    ("to=2025-01-31", "`to` must be a moment"), ("q=", "`q` must be"), ("cursor=x", "`cursor` must be what a page"),
    ("what=1", "There is no field `what`."),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_field(server: Running, query: str, says: str) -> None:
    with pytest.raises(ApiError) as wrong:
        server.api().ask("GET", f"/api/jobs?{query}")
    assert wrong.value.status == 422
    assert wrong.value.error["field"] == query.partition("=")[0]
    assert wrong.value.error["message"].startswith(says)


@pytest.mark.parametrize("run_at", ["tomorrow!!", "2025-01-31T12:00:00", "2025-13-31T12:00:00Z"])
def test_a_job_whose_run_at_is_no_moment_is_refused_with_an_example(server: Running, run_at: str) -> None:
    with pytest.raises(ApiError) as wrong:
        server.api().ask("POST", "/api/jobs/create", [{"command": "true"}, {"command": "true", "runAt": run_at}])
    assert wrong.value.error == {
        "code": "invalid_field", "field": "[1].runAt",
        "message": "`[1].runAt` must be a moment with its offset from UTC, such as 2025-01-31T12:00:00Z.",
    }  # fmt: skip


async def test_jobs_that_failed_are_listed_by_reason_and_worker_with_the_sentence(server: Running) -> None:
    api = server.api()
    async with speaking(server.url, server.headers("worker")) as worker:
        mine = {"tags": ["failed-here"], "priority": 100}
        ends: tuple[dict[str, Any], ...] = ({"exitCode": 7}, {"reason": "timeout"})
        wanted = dict(zip(api.create_many([{"command": "x", "timeoutSec": 600} | mine] * 2), ends, strict=True))
        await worker.ask("register", {"slots": 100, "session": "lists", "instanceId": "lists"})
        await worker.ask("heartbeat", {"jobs": []})
        given: dict[str, int] = {}
        while not wanted.keys() <= given.keys():
            given |= {job["jobId"]: job["attempt"] for job in await worker.told("assign")}
        for job_id, attempt in given.items():
            about = {"jobId": job_id, "attempt": attempt}
            if job_id in wanted:
                await worker.ask("start", about)
                await worker.ask("done", about | wanted[job_id])
            else:
                await worker.ask("released", about | {"why": "neverSpawned"})
    found = api.ask("GET", "/api/jobs?tag=failed-here&worker=worker-1&reason=exit&reason=timeout&order=old")["jobs"]
    assert [(job["reason"], job["message"], job["exitCode"]) for job in found] == [
        ("exit", "exit code 7", 7), ("timeout", "stopped after its limit of 10 min", None),
    ]  # fmt: skip
    (one,) = api.ask("GET", "/api/jobs?tag=failed-here&reason=exit")["jobs"]
    assert one["message"] == "exit code 7"


async def test_a_job_that_waits_to_run_again_is_listed_with_why_it_does(server: Running) -> None:
    """A list holds little of each job: how its newest run ended is part of it."""
    api = server.api()
    rules = {"priority": 100, "maxRetries": 2, "backoff": {"firstSec": 600, "maxSec": 600}}
    retried = api.create({"command": "x", "tags": ["again"]} | rules)["jobId"]
    async with speaking(server.url, server.headers("worker")) as worker:
        await worker.ask("register", {"slots": 100, "session": "retries", "instanceId": "retries"})
        await worker.ask("heartbeat", {"jobs": []})
        given: dict[str, int] = {}
        while retried not in given:
            given |= {job["jobId"]: job["attempt"] for job in await worker.told("assign")}
        about = {"jobId": retried, "attempt": given.pop(retried)}
        await worker.ask("start", about)
        await worker.ask("done", about | {"exitCode": 3})
        for job_id, attempt in given.items():
            await worker.ask("released", {"jobId": job_id, "attempt": attempt, "why": "neverSpawned"})
    async with speaking(server.url, server.headers("viewer")) as person:
        assert await person.ask("watch", {"what": "jobs"}) == [{}]
        told: dict[str, dict[str, Any]] = {}
        while retried not in told:
            told |= {row["jobId"]: row for row in await person.told("jobs")}
    (by_tag,) = api.ask("GET", "/api/jobs?tag=again")["jobs"]
    (by_status,) = api.ask("GET", "/api/jobs?status=scheduled&tag=again")["jobs"]
    api.cancel(retried)
    for row in (by_tag, by_status, told[retried]):
        assert (row["status"], row["run"]) == ("scheduled", 1)
        assert row["waitingFor"].startswith("retries in ")
        assert row["waitingFor"].endswith("(run 2 of 3): exit code 3")
