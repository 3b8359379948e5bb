"""Whatever changes something is asked for again here, after its answer was lost: by each route and each frame that is
declared, whether or not anybody has thought of it. The same, many times: `tests/faults/campaign --case T11`."""

from pathlib import Path

import pytest

from cmdexec.protocol.operations import FRAMES, OPERATIONS, ROUTES, Route
from tests.support.cases.again import table
from tests.support.cases.kinds import KINDS
from tests.support.cases.one import run_one


def test_each_operation_that_changes_something_has_a_case() -> None:
    assert table.CASES.keys() == set(table.changing())
    reached = {route.operation for route in ROUTES} | set(FRAMES.values())
    assert {one.name for one in OPERATIONS if one.effect} <= reached, "an operation that nobody can ask for"


def test_what_is_declared_anew_needs_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROUTES", (*ROUTES, Route("POST", "/api/anew", "attempts.start")))
    monkeypatch.setattr(table, "FRAMES", FRAMES | {"anew": "attempts.start"})
    assert set(table.changing()) - table.CASES.keys() == {("http", "attempts.start"), ("frame", "anew")}


@pytest.mark.timeout(120)
def test_what_is_asked_again_is_done_once(tmp_path: Path) -> None:
    outcome = run_one(KINDS["T11"], 1, 11, tmp_path)
    assert outcome.well, (outcome.found, outcome.failed)
    assert outcome.faults >= len(table.CASES)
