"""`cmdexec submit`: one job, or a file of them, checked whole before any is submitted."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cmdexec.protocol.requests import JobsView
from tests.support.answers import Answers, Asked, Refusal
from tests.support.scripted import JOB_ID, job

CREATE = "POST /api/jobs/create"


def each(asked: Asked) -> JobsView:
    """A job for each that was sent, told apart by its name."""
    return JobsView(jobs=tuple(job("queued", job_id=one["name"], name=one["name"]) for one in asked.body))


def written(path: Path, *jobs: Any) -> str:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in jobs))
    return str(path)


def many(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"command": "true", "name": f"n{number}", **more} for number in range(count)]


async def test_the_id_is_printed_and_all_that_was_said_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"\x00\xff")
    options = ("--name", "n", "--retries", "2", "-r", "gpu=yes", "--tag", "t", "--key", "k1", "-i")
    async with Answers({CREATE: job("queued")}).up(monkeypatch) as server:
        assert await server.run("submit", *options, str(tmp_path / "in"), "--", "a", "b c") == 0
        assert await server.run("submit", "--json", "echo a | wc") == 0
    assert server.asked[0].body == {
        "command": ["a", "b c"], "name": "n", "maxRetries": 2, "requires": {"gpu": "yes"}, "tags": ["t"],
        "stdin": "AP8=",
    }  # fmt: skip
    assert server.asked[0].headers["Idempotency-Key"] == "k1"
    assert server.asked[1].body == {"command": "echo a | wc"}
    plain, as_json = capfd.readouterr().out.splitlines()
    assert plain == JOB_ID
    assert json.loads(as_json)["jobId"] == JOB_ID


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["submit"], 2, "There is nothing to submit."),
        (["submit", "--file", "f", "--", "true"], 2, "--file has jobs of its own"),
        (["submit", "--file", "f", "--name", "n"], 2, "--file has jobs of its own"),
        (["submit", "--file", "no-such-file"], 2, "no-such-file cannot be read: No such file or directory."),
        (["submit", "-i", "no-such-file", "--", "true"], 2, "no-such-file cannot be read"),
        (["submit", "--key", "a b", "--", "true"], 2, "printable ASCII"),
        (["submit", "--retries", "many", "--", "true"], 2, "--retries"),
        (["submit", "--", "true", "\udcff"], 1, "This holds bytes that are not UTF-8 text."),
    ],
)
async def test_what_is_written_wrongly_is_told_before_anything_is_submitted(
    arguments: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Answers({}).up(monkeypatch) as server:
        assert await server.run(*arguments) == code
    assert said in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "Line 1: This JSON ends before it is whole."),
        (["echo hello"], 'Write one job a line: {"command": "echo hello"}. Nothing was submitted.'),
        ([{"command": "true"}, "", {"command": 1}], "Line 3: `command` must be text of 1 to"),
        ([{"command": "true", "nmae": "a"}], "Line 1: There is no field `nmae`. Did you mean `name`?"),
        ([{"command": "true", "retries": 1}], "There is no field `retries`. Did you mean `maxRetries`?"),
        ([{"command": "true", "ram": 1}], "There is no field `ram`. Did you mean `ramMb`?"),
        ([{"command": "true", "timeout": 1}], "There is no field `timeout`. Did you mean `timeoutSec`?"),
        ([{"command": "true", "gpu": 1}], "Line 1: `gpu` is not provided by this version."),
        ([{"command": "true", "env": {"A": 1}}], "Line 1: `env.A` must be text"),
        ([{"name": "a"}], "Line 1: `command` is missing."),
        (['{"command": ' + "[" * 100_000], "Line 1"),
        (['[{"command": "true"},', '{"cmd": "true"}]'], "Job 2: There is no field `cmd`. Did you mean `command`?"),
        (['[{"command": "true"}'], "This JSON ends before it is whole."),
        (["", " "], "jobs.jsonl holds no job."),
    ],
)
async def test_a_bad_line_is_named_and_nothing_is_submitted(
    lines: list[Any], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async with Answers({}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", written(tmp_path / "jobs.jsonl", *lines)) != 0
    assert said in capsys.readouterr().err
    assert server.asked == []


async def test_all_that_is_wrong_with_a_file_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = [{"command": "true", "ram": 1}, {"command": "true"}, {"name": "a"}]
    async with Answers({}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", written(tmp_path / "jobs.jsonl", *bad)) == 1
        first, second = capsys.readouterr().err.splitlines()
        assert first == "cmdexec: Line 1: There is no field `ram`. Did you mean `ramMb`?"
        assert second.startswith("cmdexec: Line 3: `command` is missing.")
        assert second.endswith("Nothing was submitted.")
        assert await server.run("submit", "-f", written(tmp_path / "jobs.jsonl", *bad * 10)) == 1
        assert len(lines := capsys.readouterr().err.splitlines()) == 10
        assert lines[-1].endswith("There may be more. Nothing was submitted.")
    assert server.asked == []


@pytest.mark.parametrize("text", ["\ufeff{}\n{}\n", "[{},\n {}]", "\ufeff [\n{}\n,{}\n]\n"])
async def test_a_list_and_a_byte_order_mark_are_read_as_well(
    text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    jobs = many(2)
    (tmp_path / "jobs").write_text(text.replace("{}", "%s") % tuple(map(json.dumps, jobs)))
    async with Answers({CREATE: each}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", str(tmp_path / "jobs")) == 0
    assert [one for batch in server.asked for one in batch.body] == jobs
    assert capfd.readouterr().out.split() == ["n0", "n1"]


async def test_thousands_go_in_batches_in_the_order_of_the_file(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    jobs = many(2300, tags=["t"])
    async with Answers({CREATE: each}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", written(tmp_path / "jobs.jsonl", *jobs), "--key", "k") == 0
    assert [len(one.body) for one in server.asked] == [1000, 1000, 300]
    assert [one.headers["Idempotency-Key"] for one in server.asked] == ["k-1", "k-2", "k-3"]
    assert [one for batch in server.asked for one in batch.body] == jobs
    assert capfd.readouterr().out.split() == [one["name"] for one in jobs]


async def test_no_batch_is_larger_than_the_server_takes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    large = many(4, env={name: "x" * 130_000 for name in "abcdefghijklmnopqrst"})
    async with Answers({CREATE: each}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", written(tmp_path / "jobs.jsonl", *large)) == 0
    assert [len(one.body) for one in server.asked] == [2, 2]
    assert all(int(one.headers["Content-Length"]) <= 8 << 20 for one in server.asked)
    assert len(capfd.readouterr().out.split()) == 4


async def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    lines = io.TextIOWrapper(io.BytesIO(b'{"command": "true", "name": "a"}'), encoding="utf-8")
    async with Answers({CREATE: each}).up(monkeypatch) as server:
        monkeypatch.setattr(sys, "stdin", lines)
        assert await server.run("submit", "-f", "-", "--json") == 0
    assert json.loads(capfd.readouterr().out)["name"] == "a"


async def test_where_a_batch_is_refused_it_is_said_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And that works: the same key makes the same batches, of which the server knows the first."""
    file = written(tmp_path / "jobs.jsonl", "", *many(1500))
    full = Refusal(422, "key_reused", "No.", "Do.")
    async with Answers({CREATE: [each, full]}).up(monkeypatch) as server:
        assert await server.run("submit", "-f", file, "--key", "mine") == 1
        told = capfd.readouterr()
        assert told.out.split() == [f"n{number}" for number in range(1000)]
        assert told.err == (
            "cmdexec: No. Do.\ncmdexec: 1,000 of 1,500 jobs are submitted, those before line 1002. "
            "The same command with `--key mine` submits the rest, and nothing twice.\n"
        )
        server.routes[CREATE] = each
        server.asked.clear()
        assert await server.run("submit", "-f", file, "--key", "mine") == 0
    assert [one.headers["Idempotency-Key"] for one in server.asked] == ["mine-1", "mine-2"]


async def test_a_key_that_was_used_is_called_as_it_is_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "This Idempotency-Key was used before, with another body."
    refused = Refusal(422, "key_reused", message, "Use a new one.", "Idempotency-Key")
    async with Answers({CREATE: refused}).up(monkeypatch) as server:
        assert await server.run("submit", "--key", "k", "--", "true") == 1
    assert capsys.readouterr().err == (
        "cmdexec: --key: This --key was used before, with another body. Use a new one.\n"
    )
