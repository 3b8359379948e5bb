"""Whatever a worker says wrongly over its socket: closed with the whole sentence, or answered item by item where it
speaks of attempts that are not its own; and no job changes by it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.bad.frames import BINARIES, TEXTS, Said
from tests.api.bad.row import JOB
from tests.support.server import Running
from tests.support.speaker import Speaker, speaking


@pytest.mark.parametrize("row", [*TEXTS, *BINARIES], ids=lambda row: row.name)
async def test_what_is_no_frame_closes_the_socket_with_what_is_wrong(server: Running, row: Said) -> None:
    async with speaking(server.url, server.headers("worker")) as speaker:
        if isinstance(row.sent, bytes):
            await speaker.ws.send_bytes(row.sent)
        else:
            await speaker.ws.send_str(row.sent)
        assert await speaker.told("error") == [row.failure]
        assert await speaker.ended() == (row.closes, row.message)


SAYS: dict[str, dict[str, Any]] = {
    "start": {}, "dead": {"why": "dead"}, "declined": {"why": "declined"}, "neverSpawned": {"why": "neverSpawned"},
    "done": {"exitCode": 0}, "held": {}, "output": {},
}  # fmt: skip
NOT_LAST = "Attempt {n} does not hold this job; attempt 1 is its last."
NOT_ITS = "Attempt 1 of this job is not this worker's."
ENDED = "Attempt 1 has ended with another result."

ANSWERS: tuple[tuple[str, str, int, str, str, str], ...] = (
    # who, which job, attempt, what it says (or all the rest), the code, the sentence
    ("another worker", "running", 1, "*", "stale_attempt", NOT_ITS),
    ("another worker", "running", 2, "*", "stale_attempt", NOT_LAST),
    ("another worker", "running", 2**31 - 1, "*", "stale_attempt", NOT_LAST),
    ("another worker", "ended", 1, "done", "conflict", ENDED),
    ("another worker", "ended", 1, "*", "stale_attempt", NOT_ITS),
    ("another worker", "nowhere", 1, "*", "not_found", "There is no such job."),
    ("worker", "running", 2, "*", "stale_attempt", NOT_LAST),
    ("worker", "ended", 1, "done", "conflict", ENDED),
    ("worker", "ended", 1, "declined", "conflict", "The job is failed; declined does not apply."),
    ("worker", "ended", 2, "*", "stale_attempt", NOT_LAST),
    ("worker", "nowhere", 7, "*", "not_found", "There is no such job."),
)


async def test_attempts_that_are_not_its_own_are_refused_one_by_one(server: Running) -> None:
    api = server.api("operator")
    async with speaking(server.url, server.headers("worker")) as worker:
        jobs = {"nowhere": JOB, "ended": api.create({"command": "1"})["jobId"]}
        await worker.ask("register", {"slots": 500, "session": "ours", "instanceId": "ours"})
        await worker.ask("heartbeat", {"jobs": []})
        await _starts(worker, jobs["ended"])
        bad_end = {"jobId": jobs["ended"], "attempt": 1, "exitCode": 3}
        assert [told["tell"] for told in await worker.ask("done", bad_end)] == ["ok"]
        jobs["running"] = api.create({"command": "2"})["jobId"]
        await _starts(worker, jobs["running"])
        before = {name: api.job(job_id) for name, job_id in jobs.items() if name != "nowhere"}
        async with speaking(server.url, server.headers("another worker")) as another:
            await another.ask("register", {"slots": 1, "session": "theirs", "instanceId": "theirs"})
            wrong = []
            for who, name, attempt, op, code, message in _each():
                speaker, held = (
                    (worker, [{"jobId": jobs["running"], "attempt": 1}]) if who == "worker" else (another, [])
                )
                told = await _answer(speaker, {"jobId": jobs[name], "attempt": attempt}, op, held)
                said = {"tell": "stop", "code": code} | ({} if op == "output" else {"message": message})
                if {key: told.get(key) for key in said} != said:
                    wrong.append((who, name, attempt, op, told, said))
        after = {name: api.job(job_id) for name, job_id in jobs.items() if name != "nowhere"}
        await worker.ask("released", {"jobId": jobs["running"], "attempt": 1, "why": "dead"})
    assert wrong == []
    assert [_but_history(job) for job in after.values()] == [_but_history(job) for job in before.values()]
    added = [line["event"] for name in after for line in after[name]["history"][len(before[name]["history"]) :]]
    assert set(added) == {"superseded"}, "what was refused is told in the job's history, and nothing else is"


def _each() -> Iterator[tuple[str, str, int, str, str, str]]:
    """The rows, with `*` as what has no row of its own."""
    own = {row[:4] for row in ANSWERS}
    for who, name, attempt, what, code, message in ANSWERS:
        for op in [op for op in SAYS if (who, name, attempt, op) not in own] if what == "*" else [what]:
            yield who, name, attempt, op, code, message.format(n=attempt)


async def _starts(worker: Speaker, job_id: str) -> None:
    given: list[dict[str, Any]] = []
    while job_id not in [job["jobId"] for job in given]:
        given += await worker.told("assign")
    (told,) = await worker.ask("start", {"jobId": job_id, "attempt": 1})
    assert told["tell"] == "go"
    others = [job for job in given if job["jobId"] != job_id]
    if others:
        await worker.ask("released", *({"jobId": one["jobId"], "attempt": one["attempt"], "why": "neverSpawned"}
                                       for one in others))  # fmt: skip


async def _answer(speaker: Speaker, about: dict[str, Any], op: str, held: list[dict[str, Any]]) -> dict[str, Any]:
    """What it is told of an attempt; a list of all that it holds has to name what it does hold as well."""
    if op == "output":
        await speaker.send_output(about, "stdout", 0, b"x")
        (told,) = await speaker.told("ack")
    elif op == "held":
        (beat,) = await speaker.ask("heartbeat", {"jobs": [about, *held]})
        told = beat["held"][0]
    else:
        frame = "released" if op in ("dead", "declined", "neverSpawned") else op
        (told,) = await speaker.ask(frame, about | SAYS[op])
    return told


def _but_history(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "history"}
