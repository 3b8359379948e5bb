"""Jobs as programs write them down: what fits into what a server takes, and nothing that a shell would misread."""

import shlex
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdexec.client.wanted import BATCH_BYTES, BATCH_JOBS, Command, Fields, Item, batches, filled, new_job
from cmdexec.protocol.requests import NewJob


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
    ("template", "item", "made"),
    [
        ("cat {}", "a b", "cat 'a b'"),
        ("cp {} {}.old", "x", "cp x x.old"),
        (["cat", "{}"], "a b", ["cat", "a b"]),
        (["sh", "-c", "echo ${HOME} {n}"], {"n": 3}, ["sh", "-c", "echo ${HOME} 3"]),
        ("awk '{print}' {file}", {"file": Path("a b")}, "awk '{print}' 'a b'"),
        ("echo {a} {b} {c}", {"a": 1, "b": "x;y"}, "echo 1 'x;y' {c}"),
        ("sleep {}", 0.5, "sleep 0.5"),
    ],
)
def test_an_item_stands_in_its_places_and_other_braces_stay(template: Command, item: Item, made: Command) -> None:
    assert filled(template, item) == made


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_whatever_an_item_holds_it_is_one_word_for_the_shell(text: str) -> None:
    line = filled("echo {} end", text)
    assert isinstance(line, str)
    assert shlex.split(line) == ["echo", text, "end"]


@pytest.mark.parametrize(("item", "places"), [("x", "{}"), ({"a": 1, "b": 2}, "{a} or {b}")])
def test_a_template_without_a_place_is_refused(item: Item, places: str) -> None:
    with pytest.raises(ValueError, match="has no place for the item") as told:
        filled("echo {c}", item)
    assert f"write {places} into it" in str(told.value)


def test_batches_are_what_a_server_takes_and_lose_nothing() -> None:
    jobs = [NewJob(command=str(number)) for number in range(2 * BATCH_JOBS + 1)]
    assert [len(batch) for batch in batches(jobs)] == [BATCH_JOBS, BATCH_JOBS, 1]
    assert [job for batch in batches(jobs) for job in batch] == jobs
    large = [NewJob(command="x" * (BATCH_BYTES // 3)) for _ in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    assert list(batches([])) == []
