"""Standard input goes along with the job: all of it or a clear word, and never a terminal's."""

import asyncio
import base64
import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.cli import Result, command
from tests.support.plays import Plays, end
from tests.support.scripted import TOKEN


async def ran(play: Plays, folder: Path, *options: str, stdin: bytes | int) -> Result:
    """`cmdexec run` with `stdin` as its standard input: bytes of a pipe, or a descriptor."""
    if isinstance(stdin, int):
        return await play.ran(folder, *options, "--", "cat", stdin=stdin, TELL_AFTER_SEC="100ms")
    read_end, write_end = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(write_end, "wb") as pipe:
            pipe.write(stdin)

    with os.fdopen(read_end) as pipe:
        async with play.running(folder, *options, "--", "cat", stdin=pipe.fileno(), TELL_AFTER_SEC="100ms") as run:
            pipe.close()
            await asyncio.to_thread(write)
            return await asyncio.to_thread(run.ended)


@pytest.mark.parametrize("size", [1, 262_144])
async def test_it_goes_along_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    play = Plays(end(exit_code=0))
    assert (await ran(play, tmp_path, stdin=data)).code == 0
    assert base64.b64decode(play.created["stdin"]) == data


@pytest.mark.parametrize(
    ("stdin", "options"), [(b"", ()), (b"left out", ("--no-stdin",)), (b"left out", ("-n",)), (subprocess.DEVNULL, ())]
)
async def test_nothing_is_nothing(tmp_path: Path, stdin: bytes | int, options: tuple[str, ...]) -> None:
    play = Plays(end(exit_code=0))
    assert (await ran(play, tmp_path, *options, stdin=stdin)).code == 0
    assert "stdin" not in play.created


async def test_a_terminal_is_not_read(tmp_path: Path) -> None:
    ours, terminal = pty.openpty()
    os.write(ours, b"typed ahead, for the shell\n")
    play = Plays(end(exit_code=0))
    assert (await ran(play, tmp_path, stdin=terminal)).code == 0
    assert "stdin" not in play.created
    os.close(ours)
    os.close(terminal)


async def test_more_than_a_job_may_be_given_is_told_before_anything_is_submitted(tmp_path: Path) -> None:
    play = Plays(end(exit_code=0))
    result = await ran(play, tmp_path, stdin=bytes(262_145))
    assert result.code == 125
    assert "Standard input is longer than the 256 KB that a job may be given." in result.stderr
    assert "--no-stdin" in result.stderr
    assert play.created == {}


async def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    written = os.open(tmp_path / "written", os.O_WRONLY | os.O_CREAT)
    result = await ran(Plays(end(exit_code=0)), tmp_path, stdin=written)
    os.close(written)
    assert result.code == 125
    said = "Standard input cannot be read: Bad file descriptor. Give it a file or a pipe, or leave it out"
    assert said in result.stderr


async def test_an_input_that_does_not_end_is_told_of(tmp_path: Path) -> None:
    """As in a loop that reads lines, or below a program that holds its pipe open; Ctrl-C leaves it."""
    given = {"SERVER_URL": "http://127.0.0.1:9", "CMDEXEC_TOKEN": TOKEN, "TELL_AFTER_SEC": "100ms"}
    read_end, write_end = os.pipe()
    os.write(write_end, b"not all")
    with command(tmp_path, "run", "--", "cat", stdin=read_end, loaded=True, **given) as run:
        await asyncio.to_thread(run.says, "Reading standard input to its end, to give it to the job; --no-stdin leaves")
        run.press()
        result = await asyncio.to_thread(run.ended, 10)
    os.close(read_end)
    os.close(write_end)
    assert (result.code, len(result.stderr.split("\n", 1)[1].strip())) == (130, 0)
