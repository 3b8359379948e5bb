"""Jobs submitted over a socket: the same as by a request, and watched to their ends if that is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_watching import run_one, until_told
from tests.support.server import Running, running
from tests.support.speaker import speaking

NEVER = {"submitting": "nobody has it"}
JOB: dict[str, Any] = {"command": "true", "requires": NEVER}


async def test_a_job_that_is_submitted_over_a_socket_is_stored_when_it_is_answered(server: Running) -> None:
    api = server.api()
    async with speaking(server.url, server.headers("operator")) as speaker:
        (told,) = await speaker.ask("submit", {"job": JOB})
        assert told["job"] == api.job(told["job"]["jobId"])
        assert not told.get("watched")


async def test_it_is_the_same_job_as_a_request_with_that_key_makes_and_the_other_way_round(server: Running) -> None:
    api = server.api("operator")
    async with speaking(server.url, server.headers("operator")) as speaker:
        (first,) = await speaker.ask("submit", {"job": JOB, "key": "one-of-the-two"})
        assert api.create(JOB, key="one-of-the-two")["jobId"] == first["job"]["jobId"]
        second = api.create(JOB, key="the-other")["jobId"]
        again = [await speaker.ask("submit", {"job": JOB, "key": "the-other"}) for _ in range(3)]
        assert {told["job"]["jobId"] for (told,) in again} == {second}
        (refused,) = await speaker.ask("submit", {"job": JOB | {"command": "false"}, "key": "the-other"})
        assert (refused["code"], refused["field"]) == ("key_reused", "Idempotency-Key")


async def test_its_end_is_told_once_and_no_change_before(server: Running) -> None:
    async with speaking(server.url, server.headers("operator")) as speaker:
        item = {"job": {"command": "true", "priority": 100}, "until": "ended"}
        (told,) = await speaker.ask("submit", item)
        assert told["watched"]
        job_id = told["job"]["jobId"]
        await run_one(server, job_id, session="submitted")
        (end,) = await until_told(speaker, "job", job_id, "completed")
        assert end == server.api().job(job_id)


async def test_one_that_had_ended_before_is_told_after_the_answer(server: Running) -> None:
    api = server.api("operator")
    api.cancel(api.create(JOB, key="ended-before")["jobId"])
    async with speaking(server.url, server.headers("operator")) as speaker:
        await speaker.say({"op": "submit", "id": 7, "items": [{"job": JOB, "key": "ended-before", "until": "ended"}]})
        frames: list[dict[str, Any]] = []
        while len(frames) < 2:
            frames += await speaker.ws.receive_json(timeout=10)
        assert frames[0]["re"] == 7, "the answer comes first"
        assert frames[0]["items"][0]["job"]["jobId"] == frames[1]["items"][0]["jobId"]


WRONG: dict[str, tuple[Any, str, str | None]] = {
    "no command": ({}, "invalid_field", "command"),
    "a field of another kind": ({"command": "true", "timeoutSec": "long"}, "invalid_field", "timeoutSec"),
    "an unknown field": ({"command": "true", "comand": 1}, "unknown_field", "comand"),
    "no object": ("true", "bad_request", None),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_answered_as_a_request_is_and_the_socket_goes_on(server: Running, name: str) -> None:
    wrong, code, field = WRONG[name]
    _, _, body = server.api("operator").call("POST", "/api/jobs/create", wrong)
    async with speaking(server.url, server.headers("operator")) as speaker:
        (refused,) = await speaker.ask("submit", {"job": wrong})
        assert refused == json.loads(body)["error"]
        assert (refused["code"], refused.get("field")) == (code, field)
        (stored,) = await speaker.ask("submit", {"job": JOB})
        assert stored["job"]["status"] == "queued"


@pytest.mark.parametrize(
    ("sent", "code"),
    [([JOB, JOB], "invalid_field"), ([], "invalid_field"), (JOB | {"env": {"A": "x" * 600_000}}, "too_large")],
    ids=["two", "none", "large"],
)
async def test_a_list_and_what_is_large_are_for_requests(server: Running, sent: Any, code: str) -> None:
    """The answer is as long as the job, and has to fit into a message as well."""
    api = server.api()
    before = len(api.ask("GET", "/api/jobs?limit=1000")["jobs"])
    async with speaking(server.url, server.headers("operator")) as speaker:
        (refused,) = await speaker.ask("submit", {"job": sent})
        assert (refused["code"], refused["field"]) == (code, "job")
        assert "POST /api/jobs/create" in refused["mend"]
        large = JOB | {"env": {"A": "x" * 90_000, "B": "y" * 90_000}}
        (stored,) = await speaker.ask("submit", {"job": large})
        assert stored["job"]["status"] == "queued"
    assert len(api.ask("GET", "/api/jobs?limit=1000")["jobs"]) == before + 1


async def test_a_page_submits_by_requests_alone(server: Running) -> None:
    async with speaking(server.url, server.headers("cookie")) as speaker:
        (refused,) = await speaker.ask("submit", {"job": JOB})
        assert refused["code"] == "forbidden"
        assert "X-Csrf" in refused["mend"]


@pytest.mark.parametrize(
    ("frame", "field"),
    [({"items": [{"job": JOB}]}, "id"), ({"id": 1, "items": [{"job": JOB}] * 2}, "items"), ({"id": 1}, "items")],
    ids=["no id", "two", "none"],
)
async def test_what_cannot_be_answered_or_is_too_much_closes_the_socket(
    server: Running, frame: dict[str, Any], field: str
) -> None:
    async with speaking(server.url, server.headers("operator")) as speaker:
        await speaker.say({"op": "submit", "items": [], **frame})
        (wrong,) = await speaker.told("error")
        assert wrong["field"] == field
        assert (await speaker.ended())[0] in (4400, 4413)


async def test_hundreds_at_once_are_all_answered_each_with_its_own(server: Running) -> None:
    async with speaking(server.url, server.headers("operator")) as speaker:
        frames = [
            {"op": "submit", "id": 1000 + number, "items": [{"job": JOB | {"name": f"n{number}"}}]}
            for number in range(300)
        ]
        await speaker.say(*frames)
        for number in range(300):
            (told,) = await speaker.answered(1000 + number)
            assert told["job"]["name"] == f"n{number}"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, RATE_LIMIT_MAX_JOBS="2", MAX_BODIES_BYTES="64KiB", MAX_BODY_BYTES="64KiB") as run:
        yield run


async def test_what_is_submitted_counts_among_the_bodies_that_are_read(busy: Running) -> None:
    large = JOB | {"env": {"A": "x" * 90_000}}
    async with speaking(busy.url, busy.headers("operator")) as speaker:
        (refused,) = await speaker.ask("submit", {"job": large})
        assert (refused["code"], refused["retryAfterSec"]) == ("overloaded", 1)


async def test_the_rate_of_submissions_counts_them(busy: Running) -> None:
    async with speaking(busy.url, busy.headers("operator")) as speaker:
        *stored, refused = [(await speaker.ask("submit", {"job": JOB}))[0] for _ in range(3)]
        assert [told["job"]["status"] for told in stored] == ["queued", "queued"]
        assert refused["code"] == "too_many"
        assert 0 < refused["retryAfterSec"] <= 60


async def test_what_was_answered_when_the_socket_breaks_is_stored_and_of_the_rest_none_twice(server: Running) -> None:
    api = server.api("operator")
    jobs = {f"broken-{n}": JOB | {"name": f"broken-{n}"} for n in range(20)}
    async with speaking(server.url, server.headers("operator")) as speaker:
        await speaker.say(
            *({"op": "submit", "id": n, "items": [{"job": jobs[key], "key": key}]} for n, key in enumerate(jobs))
        )
        answered = [(await speaker.answered(n))[0]["job"]["jobId"] for n in range(3)]
        raw = speaker.ws.get_extra_info("socket")
        raw.shutdown(2)

    def stored() -> dict[str, str]:
        rows = api.ask("GET", "/api/jobs?limit=1000")["jobs"]
        named = [row for row in rows if row["name"] in jobs]
        assert len(named) == len({row["name"] for row in named}), "one is there twice"
        return {row["name"]: row["jobId"] for row in named}

    before = stored()
    assert [before[f"broken-{n}"] for n in range(3)] == answered
    again = {key: api.create(job, key=key)["jobId"] for key, job in jobs.items()}
    assert {key: again[key] for key in before} == before
    assert stored() == again
