"""Each end of a job has its code and its sentences."""

from typing import Any

import pytest

from cmdexec.cli.outcome import CODES, outcome
from cmdexec.model.job import Reason
from cmdexec.protocol.requests import AttemptView, OutputView, ProofView, StreamView
from tests.support.scripted import job

WHOLE = StreamView(bytes=3, digest="", whole=True, lost=())
CUT = StreamView(bytes=3, digest="", whole=False, lost=((3, 10), (20, 21)))


def attempt(left: int) -> AttemptView:
    values: dict[str, Any] = dict.fromkeys(AttemptView.__struct_fields__)
    return AttemptView(**(values | {"proof": ProofView(left=left, survivors=("sleep (12)",))}))


@pytest.mark.parametrize(
    ("status", "fields", "code", "says"),
    [
        ("completed", {"exit_code": 0}, 0, None),
        ("failed", {"reason": "exit", "exit_code": 3}, 3, None),
        ("failed", {"reason": "exit", "exit_code": 255}, 255, None),
        ("failed", {"reason": "exit", "exit_code": 256}, 1, None),
        ("failed", {"reason": "exit", "exit_code": -1}, 255, None),
        ("failed", {"reason": "signal", "signal": 9}, 137, None),
        ("failed", {"reason": "signal", "signal": 15}, 143, None),
        ("cancelled", {"confirmed": True}, 130, "The job was cancelled."),
        ("cancelled", {"confirmed": False}, 130, "has not confirmed"),
        ("failed", {"reason": "timeout", "signal": 15, "timeout_sec": 1.5}, 124, "time limit of 1.5 s was over"),
        ("failed", {"reason": "start"}, 127, "The command could not be started."),
        ("failed", {"reason": "start", "message": "no such program: x"}, 127, "No such program: x."),
        ("failed", {"reason": "oom", "signal": 9}, 137, "more memory"),
        ("failed", {"reason": "worker"}, 125, "The worker died"),
        ("failed", {"reason": "lost"}, 125, "vanished"),
        ("failed", {"reason": "rejected"}, 125, "(rejected)."),
        ("failed", {"reason": "rejected", "message": "Why."}, 125, "Why."),
    ],
)
def test_the_code_and_what_is_said(status: str, fields: dict[str, Any], code: int, says: str | None) -> None:
    end = outcome(job(status, **fields))
    assert end.code == code
    if says is None:
        assert end.says == ()
    else:
        assert len(end.says) == 1
        assert says in end.says[0]


@pytest.mark.parametrize("reason", list(Reason))
def test_no_way_to_fail_ends_with_0(reason: Reason) -> None:
    assert outcome(job("failed", reason=reason.value)).code != 0


def test_missing_output_is_told() -> None:
    end = outcome(job("completed", exit_code=0, output=OutputView(stdout=WHOLE, stderr=CUT)))
    assert end.code == 0
    assert end.says == ("Part of the job's stderr is missing: 8 bytes.",)


def test_of_output_that_may_be_missing_no_more_is_said_than_is_known() -> None:
    unsure = StreamView(bytes=0, digest=None, whole=False, lost=())
    end = outcome(job("failed", reason="worker", message="w", output=OutputView(stdout=unsure, stderr=unsure)))
    assert end.says == ("W.", "Part of the job's stdout and stderr may be missing.")
    end = outcome(job("failed", reason="worker", message="w", output=OutputView(stdout=CUT, stderr=unsure)))
    assert end.says[1:] == ("Part of the job's stdout is missing: 8 bytes.", "Part of the job's stderr may be missing.")


def test_what_could_not_be_ended_is_named() -> None:
    assert outcome(job("cancelled", confirmed=True, attempts=(attempt(0),))).says == ("The job was cancelled.",)
    said = outcome(job("cancelled", confirmed=True, attempts=(attempt(1),))).says
    assert said[1] == "1 of the job's processes could not be ended: sleep (12)."


def test_what_the_server_has_said_is_not_said_again() -> None:
    """Its message says why, and names what could not be ended."""
    told = "worker w died or gave it up: killed; 1 of its processes could not be killed (sleep (12))"
    end = outcome(job("failed", reason="worker", message=told, attempts=(attempt(1),)))
    assert end.says == (f"W{told[1:]}.",)


def test_every_fixed_code_is_documented() -> None:
    documented = {code for code, _ in CODES}
    assert {"124", "125", "127", "128+n", "130", "137", "141"} < documented
