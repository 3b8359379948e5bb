"""What stands on the command line becomes the job that people expect."""

from datetime import UTC, datetime

import click
import pytest

from cmdexec.cli.asked import asked_job, command
from cmdexec.cli.job_options import JobOptions
from cmdexec.clock import rfc3339
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


NOW = 1_800_000_000_000


def asked(environment: dict[str, str] | None = None, **options: object) -> NewJob:
    return asked_job(["true"], JobOptions(**options), environment=environment or {}, now=NOW)  # type: ignore[arg-type]


def test_everything_that_can_be_asked_for() -> None:
    job = asked(
        {"HERE": "now"}, env=("A=b", "EMPTY=", "EQ=a=b", "HERE"), timeout="5m", kill_grace="0", name="n",
        requires=("gpu=yes", "os=linux=6"), priority="-3", retries="2", retry_on=("exit:75,oom", "timeout"),
        on_lost="requeue", run_at="+90m", ttl="2h", tag=("a", "b c"),
    )  # fmt: skip
    assert job == NewJob(
        command=("true",), env={"A": "b", "EMPTY": "", "EQ": "a=b", "HERE": "now"}, name="n", timeout_sec=300.0,
        kill_grace_sec=0.0, requires={"gpu": "yes", "os": "linux=6"}, priority=-3, max_retries=2,
        retry_on=("exit:75", "oom", "timeout"), on_lost="requeue", run_at=rfc3339(NOW + 5_400_000), ttl_sec=7200.0,
        tags=("a", "b c"),
    )  # fmt: skip


def test_what_is_not_given_is_left_to_the_server() -> None:
    assert asked() == NewJob(command=("true",))


def test_the_part_of_the_worker_is_told_in_cores_and_whole_mb() -> None:
    assert asked(cpu="0.5", ram="512MiB") == NewJob(command=("true",), cpu=0.5, ram_mb=512)
    assert [asked(ram=text).ram_mb for text in ("512", "512MB", "2GB", "2 GiB")] == [512, 512, 2048, 2048]


def test_standard_input_goes_along() -> None:
    assert asked_job(["cat"], JobOptions(), environment={}, now=NOW, stdin=b"x").stdin == b"x"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2027-01-31T18:00Z", "2027-01-31T18:00:00.000Z"),
        ("2027-01-31T18:00:30+02:00", "2027-01-31T16:00:30.000Z"),
        ("+0", rfc3339(NOW)),
    ],
)
def test_a_time_with_its_zone_is_that_moment(written: str, moment: str) -> None:
    assert asked(run_at=written).run_at == moment


def test_a_time_without_a_zone_is_of_this_machine_and_a_time_of_day_is_the_next_one() -> None:
    here = datetime.fromtimestamp(NOW / 1000, UTC).astimezone()
    for hours in (1, 23):
        clock = (here.hour + hours) % 24
        found = datetime.fromisoformat(str(asked(run_at=f"{clock}:00").run_at)).astimezone()
        assert (found.hour, found.minute) == (clock, 0)
        assert 0 < (found - here).total_seconds() <= 86400
    naive = datetime.fromisoformat(str(asked(run_at="2027-01-31T18:00").run_at)).astimezone()
    assert (naive.day, naive.hour) == (31, 18)


@pytest.mark.parametrize(
    ("wrong", "option", "said"),
    [
        ({"timeout": "soon"}, "--timeout", "is not a duration"),
        ({"timeout": "0"}, "--timeout", "too small"),
        ({"kill_grace": "2d"}, "--kill-grace", "too large"),
        ({"cpu": "many"}, "--cpu", "is not a number"),
        ({"cpu": "0"}, "--cpu", "too small"),
        ({"ram": "0"}, "--ram", "too small. Write 1MB or more, such as 512MB or 2GB"),
        ({"env": ["=x"]}, "--env", "names no variable"),
        ({"requires": ["a=1", "b=1", "a=2"]}, "--requires", "a cannot be both 1 and 2. Write one of them."),
        ({"env": ["MISSING"]}, "--env", "MISSING is not set here"),
        ({"requires": ["gpu"]}, "--requires", "KEY=VALUE"),
        ({"requires": ["gpu="]}, "--requires", "KEY=VALUE"),
        ({"priority": "high"}, "--priority", "is not a whole number"),
        ({"priority": "101"}, "--priority", "too large"),
        ({"retries": "-1"}, "--retries", "too small"),
        ({"retries": "1", "retry_on": ["exit:x"]}, "--retry-on", "'exit:x' is no reason"),
        ({"retries": "1", "retry_on": ["start"]}, "--retry-on", "'start' is no reason"),
        ({"retries": "1", "retry_on": [","]}, "--retry-on", "too short"),
        ({"retry_on": ["oom"]}, "--retry-on", "Write also --retries"),
        ({"on_lost": "wait"}, "--on-lost", "'wait' is none of the choices"),
        ({"run_at": "tomorrow"}, "--run-at", "'tomorrow' is no time"),
        ({"run_at": "25:00"}, "--run-at", "is no time"),
        ({"run_at": "+soon"}, "--run-at", "is not a duration"),
        ({"ttl": "0"}, "--ttl", "too small"),
        ({"tag": ["a", " "]}, "--tag", "An empty text is no tag"),
    ],
)
def test_each_fault_names_its_option_and_what_to_write(wrong: dict[str, object], option: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as told:
        asked(**wrong)
    assert told.value.param_hint == option
    assert said in told.value.message
    assert "rite" in told.value.message
