"""`cmdexec rerun` and `requeue`: several jobs at once, each told of by itself."""

import json
from typing import Any

import pytest

from tests.support.answers import Answers, Asked, Refusal
from tests.support.scripted import job

Captured = pytest.CaptureFixture[str]
IDS = [f"01936f0e-4f2a-7001-9c3f-{number:012d}" for number in range(4)]
NEW = {one: one.replace("01936f0e", "02936f0e") for one in IDS}


def routes(what: str, refused: Refusal, *, at: int) -> dict[str, Any]:
    """All can be had but the one at that place."""
    found: dict[str, Any] = {f"POST /api/jobs/{one}/{what}": job("queued", job_id=NEW[one]) for one in IDS}
    return found | {f"POST /api/jobs/{IDS[at]}/{what}": refused}


@pytest.mark.parametrize("what", ["rerun", "requeue"])
async def test_each_is_done_and_what_is_refused_is_told(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    refused = Refusal(409, "conflict", "That job cannot be run again.")
    async with Answers(routes(what, refused, at=1)).up(monkeypatch) as server:
        assert await server.run(what, *IDS[:3]) == 1
        told = capsys.readouterr()
        assert told.out.split() == [NEW[IDS[0]], NEW[IDS[2]]]
        assert told.err == "cmdexec: That job cannot be run again.\n"
        assert await server.run(what, "--json", IDS[0], IDS[2]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["jobId"] for line in lines] == [NEW[IDS[0]], NEW[IDS[2]]]
        assert await server.run(what, IDS[1]) == 1
        assert await server.run(what) == 2


async def test_a_server_that_goes_away_ends_it_and_what_was_done_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PATIENCE_SEC", "0")
    away = Refusal(503, "draining", "The server is ending.")
    async with Answers(routes("rerun", away, at=1)).up(monkeypatch) as server:
        assert await server.run("rerun", *IDS) == 1
        asked: list[Asked] = server.asked
    told = capsys.readouterr()
    assert told.out.split() == [NEW[IDS[0]]]
    assert f"This ends at {IDS[1]}: nothing was done to those behind it." in told.err
    assert "The server is ending." in told.err
    assert len(asked) == 2
