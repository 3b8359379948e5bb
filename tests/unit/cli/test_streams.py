"""Standard streams that are closed, or take nothing: told in a sentence, and never a job that runs on unattended."""

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from cmdexec.protocol.accounts import JoinTokenView, UserRowView
from cmdexec.protocol.requests import JobsView
from tests.support.answers import Answers, Asked
from tests.support.plays import Plays, end, output, until_cancelled
from tests.support.scripted import JOB_ID, TOKEN, job
from tests.support.system import clean_environment

FULL = "cmdexec: Standard output cannot be written: No space left on device.\n"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`line` with `cmdexec` in it, as a person types it."""
    line = line.replace("cmdexec", f"{shlex.quote(sys.executable)} -m cmdexec", 1)
    return subprocess.run(
        ["sh", "-c", line], env=clean_environment(HOME=str(folder), **environment), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", ["--version", "--help", "", "run --help"])
def test_a_full_disk_is_told(tmp_path: Path, words: str) -> None:
    done = shell(f"cmdexec {words} >/dev/full", tmp_path)
    assert done.stderr == FULL
    assert done.returncode == (125 if words.startswith("run") else 1)


async def test_a_full_disk_is_told_of_a_jobs_output_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Answers({f"GET /api/jobs/{JOB_ID}/output": b"x" * 100}).up(monkeypatch) as server:
        given = {"SERVER_URL": server.url, "CMDEXEC_TOKEN": TOKEN}
        done = await asyncio.to_thread(shell, f"cmdexec logs {JOB_ID} >/dev/full", tmp_path, **given)
    assert (done.returncode, done.stderr) == (1, FULL)


USER_ID = "01936f0e-0000-7000-8000-000000000001"
MADE = UserRowView(
    user_id=USER_ID, email="ada@example.com", role="viewer", disabled=False, created_at="",
    password="made-by-the-server",
)  # fmt: skip
TOKEN_MADE = JoinTokenView(
    join_token_id="j1", name=None, token="a-join-token", state="good", uses=1, used=0, labels={}, created_at="",
    created_by="", expires_at="", workers=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("submit true", f"The job {JOB_ID} is submitted."),
        ("submit --json true", f"The job {JOB_ID} is submitted."),
        ("submit --key k1 --file jobs", "1 job submitted. The same command with `--key k1` prints what"),
        ("run --detach true", f"The job {JOB_ID} is submitted."),
        (f"rerun {JOB_ID}", f"The job {JOB_ID} is submitted."),
        ("users add ada@example.com", "The password is made-by-the-server"),
        ("users add --json ada@example.com", "The password is made-by-the-server"),
        ("join-token create", "The token j1 is made: a-join-token"),
    ],
)
async def test_what_was_done_is_told_where_the_answer_cannot_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    """Else one would do it once more, or never know a password that was made."""

    def create(asked: Asked) -> object:
        return JobsView(jobs=(job("queued"),)) if isinstance(asked.body, list) else job("queued")

    routes = {
        "POST /api/jobs/create": create, f"POST /api/jobs/{JOB_ID}/rerun": job("queued"), "GET /api/jobs/status": job(),
        "POST /api/users": MADE, "POST /api/join-tokens": TOKEN_MADE,
    }  # fmt: skip
    (tmp_path / "jobs").write_text('{"command": "true"}\n')
    monkeypatch.chdir(tmp_path)
    async with Answers(routes).up(monkeypatch) as server:
        given = {"SERVER_URL": server.url, "CMDEXEC_TOKEN": TOKEN}
        done = await asyncio.to_thread(shell, f"cmdexec {words} >/dev/full", tmp_path, **given)
    assert done.returncode == (125 if words.startswith("run") else 1)
    assert told in done.stderr
    assert FULL in done.stderr


@pytest.mark.parametrize("words", ["--help", "run --help", "", "completion bash"])
def test_that_nobody_reads_is_told_by_the_code(tmp_path: Path, words: str) -> None:
    """As of SIGPIPE; the other end of the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "cmdexec", *words.split()], env=clean_environment(HOME=str(tmp_path)),
            stdin=subprocess.DEVNULL, stdout=nobody, stderr=subprocess.PIPE, timeout=30, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", ["--version", "--help", ""])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(tmp_path: Path, words: str, closed: str) -> None:
    done = shell(f"cmdexec {words} {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


def test_nobody_to_tell_changes_no_code(tmp_path: Path) -> None:
    for unbuffered in ("", "1"):
        for stream in ("2>/dev/full", "2>&-"):
            assert shell(f"cmdexec worker {stream}", tmp_path, PYTHONUNBUFFERED=unbuffered).returncode == 1
            assert shell(f"cmdexec run {stream}", tmp_path, PYTHONUNBUFFERED=unbuffered).returncode == 125


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_job_keeps_its_code_whatever_is_closed(tmp_path: Path, closed: str) -> None:
    """And none of its bytes go where a socket or file has taken the stream's number."""
    play = Plays(output("stdout", 0, b"out"), output("stderr", 0, b"err"), end("failed", reason="exit", exit_code=7))
    await play.server.start_server()
    given = {"SERVER_URL": play.url, "CMDEXEC_TOKEN": TOKEN}
    done = await asyncio.to_thread(shell, f"cmdexec run -- true {closed}", tmp_path, **given)
    await play.server.close()
    parts = closed.split()
    assert done.returncode == 7, done.stderr
    assert done.stdout == ("" if ">&-" in parts else "out")
    assert done.stderr == ("" if "2>&-" in parts else "err")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_that_cannot_be_written_ends_the_job(tmp_path: Path, stream: Literal["stdout", "stderr"]) -> None:
    play = Plays(output(stream, 0, b"x"), until_cancelled)
    await play.server.start_server()
    given = {"SERVER_URL": play.url, "CMDEXEC_TOKEN": TOKEN}
    line = f"cmdexec run -- true {'2' if stream == 'stderr' else ''}>/dev/full"
    done = await asyncio.to_thread(shell, line, tmp_path, **given)
    await play.server.close()
    assert done.returncode == 125
    assert play.cancelled.is_set()
    if stream == "stdout":
        said = "The job's output cannot be written here: No space left on device. So the job is asked to end."
        assert done.stderr == f"cmdexec: {said}\n"
