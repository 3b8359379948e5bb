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
        ("failed", {"reason": "start", "message": "No such program."}, 127, "could not be started. No such program."),
        ("failed", {"reason": "oom", "signal": 9}, 137, "more memory"),
        ("failed", {"reason": "worker"}, 125, "The worker died"),
        ("failed", {"reason": "lost"}, 125, "vanished"),
        ("failed", {"reason": "rejected", "message": "Why."}, 125, "(rejected). Why."),
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


def test_what_could_not_be_ended_is_named() -> None:
    assert outcome(job("cancelled", confirmed=True, attempts=(attempt(0),))).says == ("The job was cancelled.",)
    said = outcome(job("cancelled", confirmed=True, attempts=(attempt(1),))).says
    assert said[1] == "1 of the job's processes could not be ended: sleep (12)."


def test_every_fixed_code_is_documented() -> None:
    documented = {code for code, _ in CODES}
    assert {"124", "125", "127", "128+n", "130", "137", "141"} < documented
