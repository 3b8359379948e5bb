"""`cmdexec attach` as a real process: another one's job shown here, and left to itself whatever ends this."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Result
from tests.support.plays import Plays, end, never, output
from tests.support.scripted import JOB_ID

LEFT = f"cmdexec: The job goes on; `cmdexec attach {JOB_ID}` shows it again.\n"


async def attached(play: Plays, folder: Path, *options: str, **more: Any) -> Result:
    async with play.running(folder, JOB_ID, *options, command="attach", **more) as attach:
        return await asyncio.to_thread(attach.ended)


async def test_both_streams_and_the_code_are_the_jobs(tmp_path: Path) -> None:
    play = Plays(
        output("stdout", 0, b"out\xff"), output("stderr", 0, b"err"), end("failed", reason="exit", exit_code=3)
    )
    result = await attached(play, tmp_path)
    assert (result.code, result.stdout, result.stderr) == (3, b"out\xff", "err")
    assert play.points == [None]


@pytest.mark.parametrize(
    ("options", "point"),
    [(("--tail", "4"), "2:6:0"), (("--tail", "1KiB"), "2:0:0"), (("--from-end",), "2:10:3"), ((), None)],
)
async def test_only_the_tail_is_asked_for(tmp_path: Path, options: tuple[str, ...], point: str | None) -> None:
    play = Plays(end("completed", exit_code=0))
    play.stored = (2, 10, 3)
    assert (await attached(play, tmp_path, *options)).code == 0
    assert play.points == [point]


async def test_of_a_job_that_has_not_begun_all_is_shown(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"all"), end("completed", exit_code=0))
    assert (await attached(play, tmp_path, "--from-end")).stdout == b"all"
    assert play.points == [None]


async def test_ctrl_c_leaves_the_job_alone(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"begun"), never)
    async with play.running(tmp_path, JOB_ID, command="attach") as attach:
        await asyncio.to_thread(attach.shows, b"begun")
        attach.press()
        result = await asyncio.to_thread(attach.ended, 10)
    assert (result.code, result.stderr) == (130, LEFT)
    assert not play.cancelled.is_set()


async def test_a_reader_that_leaves_ends_no_job(tmp_path: Path) -> None:
    """`cmdexec attach … | head -1`."""
    read_end, write_end = os.pipe()
    play = Plays(*(output("stdout", offset, bytes(65536)) for offset in range(0, 1 << 20, 65536)), never)
    async with play.running(tmp_path, JOB_ID, command="attach", stdout=write_end) as attach:
        os.close(write_end)
        assert await asyncio.to_thread(os.read, read_end, 1) == b"\x00"
        os.close(read_end)
        result = await asyncio.to_thread(attach.ended, 10)
    assert (result.code, result.stderr) == (141, "")
    assert not play.cancelled.is_set()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tail", "some"), "--tail"),
        (("--tail", "5", "--from-end"), "leave out one of them"),
        (("another",), "another"),
    ],
)
async def test_what_is_written_wrongly_is_told(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    result = await attached(Plays(end()), tmp_path, *options)
    assert result.code == 125
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
