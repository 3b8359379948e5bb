"""Jobs as programs write them down: what is taken for what, and what fits into what a server takes."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cmdexec.client.wanted import BATCH_BYTES, BATCH_JOBS, Fields, batches, new_job
from cmdexec.errors import Refused
from cmdexec.protocol.requests import STDIN_MAX, BackoffSec, NewJob


def test_every_field_of_a_job_can_be_given() -> None:
    assert set(Fields.__annotations__) == set(NewJob.__struct_fields__) - {"command"}


def test_friendlier_types_become_those_of_the_api() -> None:
    noon = datetime(2027, 1, 31, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    job = new_job(["a", "b"], stdin="ä", retry_on=["oom"], tags=["x"], run_at=noon, requires={"gpu": "yes"})
    assert job == NewJob(
        command=("a", "b"), stdin="ä".encode(), retry_on=("oom",), tags=("x",), run_at="2027-01-31T10:00:00.000Z",
        requires={"gpu": "yes"},
    )  # fmt: skip
    here = datetime(2027, 1, 31, 12, 0)  # noqa: DTZ001
    assert new_job("true", run_at=here).run_at == new_job("true", run_at=here.astimezone(UTC)).run_at


@pytest.mark.parametrize(
    ("command", "fields", "said"),
    [
        ("true", {"tags": "nightly"}, r"tags is one text. Write a list of texts: tags=\['nightly'\]"),
        ("true", {"retry_on": "oom"}, "retry_on is one text"),
        (b"true", {}, "A command of type bytes is none"),
        (Path("/bin/true"), {}, "A command of type PosixPath is none"),
        (["sleep", 0], {}, "The command's word 0 is of type int"),
        ("true", {"colour": 1}, "colour"),
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(command: Any, fields: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        new_job(command, **fields)


@pytest.mark.parametrize("name", ["timeout_sec", "kill_grace_sec", "cpu", "ttl_sec"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_no_way_to_have_no_bound(name: str, value: float) -> None:
    fields: Any = {name: value}
    with pytest.raises(ValueError, match=f"^{name} is {value}. Give a number"):
        new_job("true", **fields)


def test_a_pause_that_is_no_number_is_refused_as_well() -> None:
    with pytest.raises(ValueError, match=r"backoff\.max_sec is inf"):
        new_job("true", backoff=BackoffSec(1, float("inf")))


def test_more_standard_input_than_a_job_may_be_given_is_refused_in_bytes() -> None:
    assert new_job("cat", stdin=bytes(STDIN_MAX)).stdin == bytes(STDIN_MAX)
    for given in (bytes(STDIN_MAX + 1), "ä" * (STDIN_MAX // 2) + "x"):
        with pytest.raises(Refused, match=r"`stdin` is 262,145 bytes long, and a job may be given 262,144 at most"):
            new_job("cat", stdin=given)


def test_a_word_may_be_a_path() -> None:
    assert new_job([Path("/bin/cat"), "x"]).command == ("/bin/cat", "x")  # type: ignore[list-item]


def test_batches_are_what_a_server_takes_and_lose_nothing() -> None:
    jobs = [NewJob(command=str(number)) for number in range(2 * BATCH_JOBS + 1)]
    assert [len(batch) for batch in batches(jobs)] == [BATCH_JOBS, BATCH_JOBS, 1]
    assert [job for batch in batches(jobs) for job in batch] == jobs
    large = [NewJob(command="x" * (BATCH_BYTES // 3)) for _ in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    assert list(batches([])) == []
