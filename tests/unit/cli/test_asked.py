"""What stands on the command line becomes the job that people expect."""

import click
import pytest

from cmdexec.cli.asked import asked_job, command
from cmdexec.protocol.requests import NewJob


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["echo", "a b"], ("echo", "a b")),
        (["make"], ("make",)),
        (["./configure"], ("./configure",)),
        (["echo a b"], "echo a b"),
        (["ls|wc"], "ls|wc"),
        (["exit 3"], "exit 3"),
        (["$HOME/x"], "$HOME/x"),
        (["sh", "-c", "exit 3"], ("sh", "-c", "exit 3")),
        (["echo", ""], ("echo", "")),
        ([""], ("",)),
        ([" "], (" ",)),
    ],
)
def test_a_single_word_that_is_no_plain_word_is_a_line_for_the_shell(words: list[str], expected: object) -> None:
    assert command(words) == expected


def test_everything_that_can_be_asked_for() -> None:
    job = asked_job(
        ["true"], environment={"HERE": "now"}, env=["A=b", "EMPTY=", "EQ=a=b", "HERE"], timeout="5m", kill_grace="0",
        name="n",
    )  # fmt: skip
    env = {"A": "b", "EMPTY": "", "EQ": "a=b", "HERE": "now"}
    assert job == NewJob(command=("true",), env=env, name="n", timeout_sec=300.0, kill_grace_sec=0.0)


def test_the_part_of_the_worker_is_told_in_cores_and_whole_mb() -> None:
    assert asked_job(["true"], environment={}, cpu="0.5", ram="512MiB") == NewJob(
        command=("true",), cpu=0.5, ram_mb=512
    )
    assert asked_job(["true"], environment={}, ram="1048577").ram_mb == 2


@pytest.mark.parametrize(
    ("wrong", "option", "said"),
    [
        ({"timeout": "soon"}, "--timeout", "is not a duration"),
        ({"timeout": "0"}, "--timeout", "too small"),
        ({"kill_grace": "2d"}, "--kill-grace", "too large"),
        ({"cpu": "many"}, "--cpu", "is not a number"),
        ({"cpu": "0"}, "--cpu", "too small"),
        ({"ram": "512"}, "--ram", "too small"),
        ({"env": ["=x"]}, "--env", "names no variable"),
        ({"env": ["MISSING"]}, "--env", "MISSING is not set here"),
    ],
)
def test_each_fault_names_its_option_and_what_to_write(wrong: dict[str, object], option: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as told:
        asked_job(["true"], environment={}, **wrong)  # type: ignore[arg-type]
    assert told.value.param_hint == option
    assert said in told.value.message
    assert "rite" in told.value.message
