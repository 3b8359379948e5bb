"""`cmdexec run --standalone` is a local command to whoever runs it, and leaves nothing behind whatever ends it."""

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import proc
from tests.support.cli import Command, Result, command
from tests.support.waiting import until

BINARY = "import os,sys; d=bytes(range(256))*4; [os.write(1, d*256) for _ in range(20)]; os.write(2, b'apart')"


@contextmanager
def standalone(folder: Path, *words: str, stdout: int | None = None, by: str | None = None) -> Iterator[Command]:
    """Run it with a marker in the environment: all that it starts inherits it, but the jobs, which are given theirs."""
    memory = folder / "memory"
    memory.mkdir(mode=0o700)
    given = {"XDG_RUNTIME_DIR": str(memory), "TMPDIR": str(memory), "MARK": str(folder)}
    try:
        with command(folder, "run", "--standalone", *words, stdout=stdout, by=by, **given) as started:
            yield started
    except BaseException:
        for pid in proc.with_marker(str(folder)):  # what a failing test leaves
            os.kill(pid, signal.SIGKILL)
        raise


def ran(folder: Path, *words: str) -> Result:
    with standalone(folder, *words) as started:
        result = started.ended(40)
    nothing_left(folder)
    return result


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def nothing_left(folder: Path) -> None:
    """No process of it, judged by the kernel, and no folder."""
    until(lambda: not proc.with_marker(str(folder)), "no process is left", 20)
    assert list((folder / "memory").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (["--", "echo", "hello  world"], 0, b"hello  world\n"),
        (["--", "exit 3"], 3, b""),
        (["echo", "-n", "--help"], 0, b"--help"),
        (["--", "kill -9 $$"], 137, b""),
        (["--", "kill -TERM $$"], 143, b""),
        (["--env", "A=x y", "--", "printf %s \"$A\""], 0, b"x y"),
        (["--timeout", "300ms", "--", "echo begun; exec sleep 60"], 124, b"begun\n"),
        (["--", "no-such-program-anywhere"], 127, b""),
    ],
)  # fmt: skip
def test_output_and_code_are_the_commands(tmp_path: Path, words: list[str], code: int, out: bytes) -> None:
    result = ran(tmp_path, *words)
    assert (result.code, result.stdout) == (code, out), result.stderr
    if code not in (124, 127):
        assert result.stderr == ""


def test_it_works_inside_its_private_folder_alone(tmp_path: Path) -> None:
    """What the command leaves in its own folder goes with the rest."""
    result = ran(tmp_path, "--", "pwd; echo left > behind")
    assert result.stdout.decode().startswith(f"{tmp_path}/memory/cmdexec-run-"), result.stdout


def test_binary_output_is_unchanged_and_streams_are_apart(tmp_path: Path) -> None:
    result = ran(tmp_path, "--", sys.executable, "-c", BINARY)
    expected = bytes(range(256)) * 4 * 256 * 20
    assert len(expected) == 5 * 1024 * 1024
    assert len(result.stdout) == len(expected)
    assert hashlib.sha256(result.stdout).hexdigest() == hashlib.sha256(expected).hexdigest()
    assert (result.code, result.stderr) == (0, "apart")


def test_output_comes_while_the_command_runs(tmp_path: Path) -> None:
    with standalone(tmp_path, "--", f"echo {tmp_path}; exec sleep 60") as run:
        run.shows(str(tmp_path).encode())
        assert run.process.poll() is None


@pytest.mark.parametrize("how", ["group", "process", "term"])
def test_ctrl_c_ends_command_server_and_worker(tmp_path: Path, how: str) -> None:
    """A terminal sends SIGINT to the whole group, `kill` to the process."""
    with standalone(tmp_path, "--env", f"MARK={tmp_path}", "--", "echo begun; exec sleep 60") as run:
        run.shows(b"begun")
        if how == "group":
            run.press()
        else:
            run.send(signal.SIGINT if how == "process" else signal.SIGTERM)
        result = run.ended(20)
    assert result.code == 130
    assert "The job was cancelled." in result.stderr
    nothing_left(tmp_path)


def test_a_second_ctrl_c_does_not_wait_for_a_stubborn_command(tmp_path: Path) -> None:
    """It ignores TERM, and its grace is long; leaving ends it all the same."""
    words = [
        "--env",
        f"MARK={tmp_path}",
        "--kill-grace",
        "1h",
        "--",
        "trap '' TERM INT; echo begun; while :; do sleep 1; done",
    ]
    with standalone(tmp_path, *words) as run:
        run.shows(b"begun")
        run.press()
        run.says("press Ctrl-C again")
        run.press()
        assert run.ended(20).code == 130
    nothing_left(tmp_path)


def test_kill_9_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    """The command ignores TERM and has children in sessions of their own."""
    line = "trap '' TERM; setsid sleep 600 & echo begun; sleep 600; sleep 600"
    with standalone(tmp_path, "--env", f"MARK={tmp_path}", "--", line) as run:
        run.shows(b"begun")
        until(lambda: len(proc.with_marker(str(tmp_path))) >= 5, "command, server, worker and job run")
        run.process.kill()
        run.ended()
        until(lambda: not proc.with_marker(str(tmp_path)), "no process is left", 20)
    until(lambda: not list((tmp_path / "memory").iterdir()), "the folder is gone", 5)


def test_kill_9_of_command_and_server_at_once_leaves_no_process(tmp_path: Path) -> None:
    """The folder is left to the next such run."""
    with standalone(
        tmp_path, "--env", f"MARK={tmp_path}", "--", "trap '' TERM; echo begun; sleep 600; sleep 600"
    ) as run:
        run.shows(b"begun")
        (server,) = [pid for pid in proc.children(run.pid) if "serve" in _command_line(pid).split("\0")]
        os.kill(server, signal.SIGSTOP)
        run.process.kill()
        os.kill(server, signal.SIGKILL)
        run.ended()
        until(lambda: not proc.with_marker(str(tmp_path)), "no process is left", 20)


@pytest.mark.parametrize("what", ["folder", "runtime.json"])
def test_ctrl_c_while_the_server_is_starting(tmp_path: Path, what: str) -> None:
    pattern = {"folder": "cmdexec-run-*", "runtime.json": "cmdexec-run-*/runtime.json"}[what]
    with standalone(tmp_path, "--env", f"MARK={tmp_path}", "--", "sleep 600") as run:
        until(lambda: list((tmp_path / "memory").glob(pattern)), f"the {what} is there")
        run.press()
        result = run.ended(20)
    assert result.code == 130
    assert "Traceback" not in result.stderr
    nothing_left(tmp_path)


def test_a_killed_private_server_takes_the_worker_along(tmp_path: Path) -> None:
    with standalone(tmp_path, "--env", f"MARK={tmp_path}", "--", "echo begun; sleep 600") as run:
        run.shows(b"begun")
        servers = [pid for pid in proc.children(run.pid) if "serve" in _command_line(pid).split("\0")]
        assert len(servers) == 1
        os.kill(servers[0], signal.SIGKILL)
        result = run.ended(40)
    assert result.code == 125
    assert "cannot be reached" in result.stderr
    nothing_left(tmp_path)


def test_a_reader_that_leaves_ends_the_command(tmp_path: Path) -> None:
    """`cmdexec run --standalone -- yes | head -1`"""
    read_end, write_end = os.pipe()
    with standalone(tmp_path, "--env", f"MARK={tmp_path}", "--", "yes", stdout=write_end) as run:
        os.close(write_end)
        assert os.read(read_end, 2) == b"y\n"
        os.close(read_end)
        result = run.ended(20)
    assert (result.code, result.stderr) == (141, "")
    nothing_left(tmp_path)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_neither_code_nor_what_is_left(tmp_path: Path, closed: str) -> None:
    """No part of it may take a file or a socket for a standard stream."""
    with standalone(tmp_path, "--", f"echo out; echo err >&2; echo $CMDEXEC_JOB_ID > {tmp_path}/ran; exit 7",
                    by=f'exec "$@" {closed}') as run:  # fmt: skip
        result = run.ended(40)
    assert result.code == 7
    assert (tmp_path / "ran").read_text().strip()
    assert result.stdout == (b"" if ">&-" in closed.split() else b"out\n")
    assert result.stderr == ("" if "2>&-" in closed.split() else "err\n")
    nothing_left(tmp_path)


def test_a_full_disk_ends_the_command(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        words = ["--env", f"MARK={tmp_path}", "--", "while :; do echo more; sleep 0.1; done"]
        with standalone(tmp_path, *words, stdout=full.fileno()) as run:
            result = run.ended(40)
    assert result.code == 125
    assert "cannot be written here: No space left on device" in result.stderr
    nothing_left(tmp_path)


def test_the_callers_settings_do_not_matter(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir(mode=0o700)
    (tmp_path / ".env").write_text("PORT=nonsense\n")
    wrong = {"PORT": "nonsense", "JWT_SECRET": "short", "MONGODB_URI": "mongodb://a", "SLOTS": "none"}
    with command(tmp_path, "run", "--standalone", "--", "echo", "fine", XDG_RUNTIME_DIR=str(memory), **wrong) as run:
        result = run.ended(40)
    assert (result.code, result.stdout, result.stderr) == (0, b"fine\n", "")
