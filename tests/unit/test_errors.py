"""Errors: what a caller is told, and nothing else."""

import pytest

from cmdexec.errors import CODES, CmdexecError, Conflict, Refused, Unavailable
from tests.support.each import over


@over({code: (code,) for code in CODES})
def test_every_code_has_an_http_status_for_failures(code: str) -> None:
    assert CmdexecError(code, "It failed.").status == CODES[code]
    assert 400 <= CODES[code] <= 599
    assert code == code.lower()
    assert code.isidentifier()


def test_no_caller_is_to_blame_for_what_only_we_can_mend() -> None:
    ours = {code for code, status in CODES.items() if status == 500}
    by_command_line = {"bad_settings", "bad_data_dir", "in_use", "no_executor", "no_window", "bench_failed"}
    assert ours == {"internal", "bad_history"} | by_command_line


def test_a_code_of_a_newer_version_is_no_second_failure() -> None:
    assert CmdexecError("from_the_future", "It failed.").status == 500


def test_details_hold_what_was_given() -> None:
    error = Refused("invalid_field", "It is too long.", field="name", mend="Shorten it.")
    assert error.details() == {
        "code": "invalid_field",
        "message": "It is too long.",
        "field": "name",
        "mend": "Shorten it.",
    }


@pytest.mark.parametrize(
    "error",
    [
        CmdexecError("internal", "It failed."),
        Refused("bad_json", "It is not JSON.", field=None, mend=None),
        Unavailable("store_away", "The store is away.", retry_after=2),
        Conflict("conflict", "It has ended."),
        Conflict("stale_attempt", "It has gone on.", expected={"attempt": 2, "session": None}),
    ],
)
def test_details_never_hold_none(error: CmdexecError) -> None:
    def all_values(body: dict[str, object]) -> list[object]:
        return [v for value in body.values() for v in (all_values(value) if isinstance(value, dict) else [value])]

    assert None not in all_values(error.details())
    assert {"code", "message"} <= error.details().keys() <= {"code", "message", "field", "mend", "expected"}


def test_a_conflict_says_what_is_expected() -> None:
    assert Conflict("stale_attempt", "No.", expected={"attempt": 2}).details()["expected"] == {"attempt": 2}


def test_unavailable_says_when_to_come_again() -> None:
    assert Unavailable("overloaded", "Too much.", retry_after=2.5).retry_after == 2.5
    assert Unavailable("overloaded", "Too much.").retry_after > 0


def test_as_text_it_is_the_message_and_the_mend() -> None:
    assert str(Refused("bad_json", "It is not JSON.", mend="Send JSON.")) == "It is not JSON. Send JSON."
    assert str(Refused("bad_json", "It is not JSON.")) == "It is not JSON."
