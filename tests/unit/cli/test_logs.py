"""`cmdexec logs`, `cancel`, `rerun` and `requeue`: bytes as they are, and what became of each job."""

import base64
import json
from typing import Any

import msgspec
import pytest

from cmdexec.protocol.requests import AttemptView, CancelledView, CancelView, JobsView, OutputView, StreamView
from tests.support.answers import Answers, Refusal, page
from tests.support.plays import Plays, end, output
from tests.support.scripted import JOB_ID, TOKEN, job

Captured = pytest.CaptureFixture[Any]
OTHER = "01936f0e-4f2a-7002-8c3f-0a1b2c3d4e5f"
OUTPUT = f"GET /api/jobs/{JOB_ID}/output"
STATUS = "GET /api/jobs/status"
BYTES = bytes(range(256))


def stored(count: int) -> OutputView:
    stream = StreamView(bytes=count, digest=None, whole=True, lost=())
    return OutputView(stdout=stream, stderr=stream)


async def test_bytes_come_as_they_are(monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured) -> None:
    async with Answers({OUTPUT: BYTES}).up(monkeypatch) as server:
        assert await server.run("logs", JOB_ID) == 0
        assert capfdbinary.readouterr() == (BYTES, b"")
        assert await server.run("logs", "--stderr", "--attempt", "2", JOB_ID) == 0
        assert capfdbinary.readouterr() == (BYTES, b"")
        assert server.asked[-1].query["stream"] == "stderr"
        assert server.asked[-1].query["attempt"] == "2"
        assert await server.run("logs", "--both", JOB_ID) == 0
        assert capfdbinary.readouterr() == (BYTES, BYTES)


async def test_a_tail_is_asked_for_from_where_it_begins(monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured) -> None:
    async with Answers({OUTPUT: BYTES[-56:], STATUS: job(output=stored(256))}).up(monkeypatch) as server:
        assert await server.run("logs", "--tail", "56", JOB_ID) == 0
        assert server.asked[-1].headers["Range"] == "bytes=200-"
        assert await server.run("logs", "--tail", "1KiB", JOB_ID) == 0
        assert server.asked[-1].headers["Range"] == "bytes=0-"
        assert await server.run("logs", "--tail", "much", JOB_ID) == 2
    assert capfdbinary.readouterr().out == BYTES[-56:] * 2


async def test_the_tail_of_an_earlier_attempt_is_counted_from_its_own_end(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured
) -> None:
    blank: dict[str, Any] = {field.name: None for field in msgspec.structs.fields(AttemptView) if field.required}
    blank |= {"run": 1, "worker_id": "w", "started_at": "2026-11-25T10:00:00.000Z", "ok": False}
    attempts = tuple(AttemptView(**blank | {"attempt": at, "output": stored(at * 100)}) for at in (1, 2))
    view = job(output=stored(200), attempts=attempts)
    async with Answers({OUTPUT: b"x", STATUS: view}).up(monkeypatch) as server:
        assert await server.run("logs", "--tail", "10", "--attempt", "1", JOB_ID) == 0
        assert server.asked[-1].headers["Range"] == "bytes=90-"
        assert await server.run("logs", "--tail", "10", "--attempt", "3", JOB_ID) == 0
        assert server.asked[-1].headers["Range"] == "bytes=0-"


async def test_with_json_each_piece_is_an_object(monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured) -> None:
    data = BYTES * 2000  # more than is read at once
    async with Answers({OUTPUT: data, STATUS: job(output=stored(len(data) + 3))}).up(monkeypatch) as server:
        assert await server.run("logs", "--json", "--both", "--tail", str(len(data)), JOB_ID) == 0
    told = capfdbinary.readouterr()
    pieces = [json.loads(line) for line in told.out.splitlines()]
    for stream in ("stdout", "stderr"):
        position, joined = 3, b""
        for piece in (one for one in pieces if one["stream"] == stream):
            assert piece["offset"] == position
            joined += base64.b64decode(piece["data"])
            position = 3 + len(joined)
        assert joined == data
    assert told.err == b""


async def test_following_goes_on_to_the_end_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: Captured
) -> None:
    """However the job ends; and of what was there already only the tail is shown."""
    play = Plays(output("stdout", 0, b"begun"), output("stderr", 0, b"oops"), output("stdout", 5, b" ended"),
                 end("failed", reason="exit", exit_code=3))  # fmt: skip
    await play.server.start_server()
    monkeypatch.setenv("SERVER_URL", play.url)
    monkeypatch.setenv("CMDEXEC_TOKEN", TOKEN)
    run = Answers({}).run
    try:
        assert await run("logs", "-f", JOB_ID) == 0
        assert capfdbinary.readouterr() == (b"begun ended", b"cmdexec: Waiting: no worker is connected.\n")
        assert await run("logs", "-f", "--both", JOB_ID) == 0
        told = capfdbinary.readouterr()
        assert told.out == b"begun ended"
        assert b"oops" in told.err
    finally:
        await play.server.close()


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--both", "--stderr"], "leave out --stderr"), (["-f", "--attempt", "1"], "--attempt")]
)
async def test_options_that_exclude_each_other_are_told(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with Answers({}).up(monkeypatch) as server:
        assert await server.run("logs", *arguments, JOB_ID) == 2
    assert said in capsys.readouterr().err


def told(*outcomes: tuple[str, str]) -> CancelledView:
    return CancelledView(
        jobs=tuple(CancelView(job_id=name, outcome=outcome, status=None) for name, outcome in outcomes)  # type: ignore[arg-type]
    )


async def test_of_each_job_it_is_said_what_happened(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    answer = told((JOB_ID, "asked"), (OTHER, "not_found"))
    async with Answers({"POST /api/jobs/cancel": answer}).up(monkeypatch) as server:
        assert await server.run("cancel", JOB_ID, OTHER, JOB_ID) == 1
        assert server.asked[0].body == {"jobId": [JOB_ID, OTHER]}
        assert capsys.readouterr().out == f"{JOB_ID}\tasked\n{OTHER}\tnot_found\n"
        assert await server.run("cancel", "--json", JOB_ID, OTHER) == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [one["outcome"] for one in lines] == ["asked", "not_found"]
        assert await server.run("cancel") == 2


async def test_a_name_that_is_no_jobs_keeps_the_others_from_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    routes = {"POST /api/jobs/cancel": told((JOB_ID, "asked")), "GET /api/jobs": page()}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("cancel", "ffffff", JOB_ID) == 1
        assert server.asked[-1].body == {"jobId": [JOB_ID]}
        said = capsys.readouterr()
        assert said.out == f"ffffff\tnot_found\n{JOB_ID}\tasked\n"
        assert "No job's id begins with ffffff" in said.err
        count = len(server.asked)
        assert await server.run("cancel", "ffffff") == 1
        assert {one.method for one in server.asked[count:]} == {"GET"}, "nothing is cancelled"


async def test_waiting_for_a_cancel_ends_with_the_job(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    views = [job("running"), job("running"), job("cancelled")]
    routes = {"POST /api/jobs/cancel": told((JOB_ID, "asked")), STATUS: views}
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("cancel", "--wait", JOB_ID) == 0
    assert [one.path for one in server.asked].count("/api/jobs/status") == 3


async def test_a_job_that_is_run_again_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    refused = Refusal(409, "conflict", "It may run twice.", "Add --accept-duplicate.")
    routes = {
        f"POST /api/jobs/{JOB_ID}/rerun": job("queued", job_id=OTHER),
        f"POST /api/jobs/{JOB_ID}/requeue": [refused, job("queued")],
    }
    async with Answers(routes).up(monkeypatch) as server:
        assert await server.run("rerun", JOB_ID) == 0
        assert capsys.readouterr().out == f"{OTHER}\n"
        assert await server.run("requeue", JOB_ID) == 1
        assert capsys.readouterr().err == "cmdexec: It may run twice. Add --accept-duplicate.\n"
        assert await server.run("requeue", "--accept-duplicate", JOB_ID) == 0
    assert server.asked[-1].body == {"acceptDuplicate": True}


async def test_a_job_is_shown_with_why_it_waits_or_ended(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    views = JobsView(jobs=()), job("queued", waiting_for="all 4 slots of 1 worker are in use", labels={"gpu": "yes"})
    failed = job("failed", reason="timeout", timeout_sec=5.0, name="\x1b[31mred")
    async with Answers({STATUS: [views[1], failed]}).up(monkeypatch) as server:
        assert await server.run("show", JOB_ID) == 0
        waits = capsys.readouterr().out
        assert f"Job        {JOB_ID}\n" in waits
        assert "Waiting    all 4 slots of 1 worker are in use\n" in waits
        assert "Needs      gpu=yes\n" in waits
        assert await server.run("show", JOB_ID) == 0
    ended = capsys.readouterr().out
    assert "Status     failed: timeout" in ended
    assert "Why        The job was ended: its time limit of 5 s was over.\n" in ended
    assert "\\x1b[31mred" in ended
    assert "\x1b" not in ended
