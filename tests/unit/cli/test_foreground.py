"""`cmdexec run` as a real process against a server that says what the test tells it to."""

import asyncio
import json as plain
import os
import signal
from pathlib import Path

import pytest

from tests.support.cli import command
from tests.support.plays import Part, Plays, attempt, end, never, output, until_cancelled
from tests.support.scripted import JOB_ID, TOKEN
from tests.support.waiting import becomes


async def test_bytes_and_code_are_the_jobs(tmp_path: Path) -> None:
    binary = bytes(range(256)) * 5000
    parts = [output("stdout", offset, binary[offset : offset + 256_000]) for offset in range(0, len(binary), 256_000)]
    play = Plays(output("stderr", 0, b"oops\xff"), *parts, end("failed", reason="exit", exit_code=3))
    result = await play.ran(tmp_path, "--env", "A=b", "--timeout", "5s", "--name", "n", "--", "a", "b c")
    assert result.code == 3
    assert result.stdout == binary
    assert (tmp_path / "stderr").read_bytes() == b"oops\xff"
    assert play.created == {
        "command": ["a", "b c"], "env": {"A": "b"}, "name": "n", "timeoutSec": 5.0,
    }  # fmt: skip


async def test_what_went_wrong_is_said(tmp_path: Path) -> None:
    play = Plays(end("failed", reason="start", message="could not be started: no such program: \x1b[31mx"))
    result = await play.ran(tmp_path)
    assert result.code == 127
    assert result.stderr == "cmdexec: Could not be started: no such program: \\x1b[31mx.\n"


async def test_between_runs_it_is_said_why_the_one_before_ended(tmp_path: Path) -> None:
    again = attempt(1, 1), attempt(3, 2, "exit code 75"), attempt(4, 3)
    result = await Plays(*again, end("completed", exit_code=0)).ran(tmp_path)
    assert result.stderr == (
        "cmdexec: Run 1 ended: exit code 75. The job runs again; this is run 2.\n"
        "cmdexec: The job runs again; this is run 3.\n"
    )


async def test_what_a_job_waits_for_is_said_with_its_mend(tmp_path: Path) -> None:
    async def when_looked_at(server: Plays) -> bytes:
        await server.looked.wait()
        return end("completed", exit_code=0)

    play = Plays(when_looked_at)
    play.mend = "add a worker that has gpu=yes"
    result = await play.ran(tmp_path, TELL_AFTER_SEC="50ms")
    assert "cmdexec: Waiting: no worker is connected. Add a worker that has gpu=yes.\n" in result.stderr


async def test_detached_it_is_only_submitted(tmp_path: Path) -> None:
    play = Plays(never)
    result = await play.ran(tmp_path, "--detach", "--", "true")
    assert (result.code, result.stdout, result.stderr) == (0, f"{JOB_ID}\n".encode(), "")
    assert play.points == []


def of_the_job(stderr: str) -> list[str]:
    """What is said, but for how long a busy machine takes to answer."""
    lines = [line.removeprefix("cmdexec: ") for line in stderr.splitlines()]
    return [line for line in lines if not line.startswith("Waiting for the server at ")]


async def test_what_a_job_waits_for_is_said_once(tmp_path: Path) -> None:
    """Each reason once, and nothing when there is none."""

    async def when_looked_at(server: Plays) -> bytes:
        await server.looked.wait()
        return end("completed", exit_code=0)

    result = await Plays(when_looked_at).ran(tmp_path, TELL_AFTER_SEC="50ms")
    assert result.code == 0
    assert of_the_job(result.stderr) == ["Waiting: no worker is connected.", "Waiting: next on worker w."]


async def test_while_its_image_comes_it_is_said_how_far_it_is(tmp_path: Path) -> None:
    """Each step once, and the container's own options are asked for."""

    async def when_looked_at(server: Plays) -> bytes:
        await server.looked.wait()
        return end("completed", exit_code=0)

    play = Plays(when_looked_at)
    play.phases = ["pulling its image", "pulling its image, 40 %", "pulling its image, 40 %", None]
    result = await play.ran(tmp_path, "--image", "alpine:3.20", "--user", "1000", "--", "true", TELL_AFTER_SEC="50ms")
    assert result.code == 0
    assert of_the_job(result.stderr) == ["Pulling its image.", "Pulling its image, 40 %."]
    assert play.created == {"command": ["true"], "containerImage": "alpine:3.20", "user": "1000"}


async def test_a_job_that_writes_is_not_asked_after(tmp_path: Path) -> None:
    clock, last, silent = asyncio.get_running_loop().time, 0.0, 0

    def piece(offset: int) -> Part:
        async def written(_: Plays) -> bytes:
            nonlocal last, silent
            last = last if offset else clock()
            await becomes(lambda: clock() > last + 0.02, "its turn")
            silent, last = silent + (clock() > last + 0.15), clock()
            return output("stdout", offset, b".")

        return written

    play = Plays(*map(piece, range(60)), end("completed", exit_code=0))
    result = await play.ran(tmp_path, TELL_AFTER_SEC="200ms")
    assert (result.code, result.stdout) == (0, b"." * 60)
    assert play.looks <= 1 + silent, "a machine that is busy makes pauses of its own"


async def test_ctrl_c_asks_the_job_to_end(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"begun"), until_cancelled)
    async with play.running(tmp_path) as run:
        await asyncio.to_thread(run.shows, b"begun")
        run.press()
        result = await asyncio.to_thread(run.ended)
    assert play.cancelled.is_set()
    assert result.code == 130
    assert "press Ctrl-C again" in result.stderr
    assert "The job was cancelled." in result.stderr


async def test_sigterm_is_as_ctrl_c(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"begun"), until_cancelled)
    async with play.running(tmp_path) as run:
        await asyncio.to_thread(run.shows, b"begun")
        run.send(signal.SIGTERM)
        assert (await asyncio.to_thread(run.ended)).code == 130


async def test_a_job_that_ends_well_in_spite_of_ctrl_c_keeps_its_code(tmp_path: Path) -> None:
    async def cleaned_up(server: Plays) -> bytes:
        await server.cancelled.wait()
        return output("stdout", 5, b" ended") + end("completed", exit_code=0)

    play = Plays(output("stdout", 0, b"begun"), cleaned_up)
    async with play.running(tmp_path) as run:
        await asyncio.to_thread(run.shows, b"begun")
        run.press()
        result = await asyncio.to_thread(run.ended)
    assert (result.code, result.stdout) == (0, b"begun ended")


async def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"begun"), never)
    async with play.running(tmp_path) as run:
        await asyncio.to_thread(run.shows, b"begun")
        run.press()
        await asyncio.to_thread(run.says, "press Ctrl-C again")
        run.press()
        assert (await asyncio.to_thread(run.ended, 10)).code == 130


async def test_a_second_ctrl_c_leaves_a_reader_that_hangs(tmp_path: Path) -> None:
    """`cmdexec run … | less`: nobody takes what is written, so the write never ends."""
    read_end, write_end = os.pipe()
    play = Plays(*(output("stdout", offset, bytes(65536)) for offset in range(0, 1 << 20, 65536)), never)
    async with play.running(tmp_path, stdout=write_end) as run:
        os.close(write_end)
        assert await asyncio.to_thread(os.read, read_end, 1) == b"\x00"
        run.press()
        await asyncio.to_thread(run.says, "press Ctrl-C again")
        run.press()
        assert (await asyncio.to_thread(run.ended, 10)).code == 130
    os.close(read_end)


async def test_a_job_that_was_left_or_lost_is_named(tmp_path: Path) -> None:
    """So that it can be found again: it may still run."""
    play = Plays(output("stdout", 0, b"begun"), never)
    async with play.running(tmp_path / "left") as run:
        await asyncio.to_thread(run.shows, b"begun")
        run.press()
        await asyncio.to_thread(run.says, "press Ctrl-C again")
        run.press()
        left = await asyncio.to_thread(run.ended, 10)
    assert left.stderr.endswith(f"cmdexec: The job may still run; `cmdexec attach {JOB_ID}` shows it again.\n")
    play = Plays(output("stdout", 0, b"begun"), never)
    async with play.running(tmp_path / "away", PATIENCE_SEC="100ms") as run:
        await asyncio.to_thread(run.shows, b"begun")
        for connection in list(play.server.handler.connections):
            connection.force_close()
        await play.server.close()
        away = await asyncio.to_thread(run.ended, 20)
    assert away.code == 125
    assert "cannot be reached" in away.stderr
    assert f"`cmdexec attach {JOB_ID}`" in away.stderr


async def test_a_lost_job_is_named(tmp_path: Path) -> None:
    result = await Plays(end("failed", reason="lost", message="worker w was not heard of any more")).ran(tmp_path)
    assert result.code == 125
    assert result.stderr == (f"cmdexec: Worker w was not heard of any more.\ncmdexec: The job's id is {JOB_ID}.\n")


async def test_a_job_whose_worker_was_stopped_can_be_run_again(tmp_path: Path) -> None:
    ends = end("failed", reason="worker", message="worker w gave it up: it was stopped while the job ran")
    result = await Plays(ends).ran(tmp_path)
    assert result.code == 125
    assert result.stderr.splitlines() == [
        "cmdexec: Worker w gave it up: it was stopped while the job ran.", f"cmdexec: The job's id is {JOB_ID}.",
        f"cmdexec: `cmdexec rerun {JOB_ID}` runs it again; with `--on-lost requeue` that happens by itself.",
    ]  # fmt: skip


async def test_a_server_that_does_not_answer_is_told_of(tmp_path: Path) -> None:
    """It may have taken the job already: a first Ctrl-C waits for that, and says so; the job is ended then."""
    play = Plays(until_cancelled)
    play.takes_jobs.clear()
    async with play.running(tmp_path, TELL_AFTER_SEC="50ms") as run:
        await asyncio.to_thread(run.says, f"Waiting for the server at {play.url} to answer.")
        run.press()
        await asyncio.to_thread(run.says, "as soon as the server has taken it; press Ctrl-C again")
        play.takes_jobs.set()
        result = await asyncio.to_thread(run.ended, 10)
    assert result.code == 130
    assert play.cancelled.is_set()
    assert result.stderr.count("Waiting for the server") == 1


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
async def test_a_server_that_stays_away_is_left_soon_after_the_first_interrupt(
    what: signal.Signals, tmp_path: Path
) -> None:
    """Nobody can end a job of a server that is not there, and whoever stops `run` need not do so twice."""
    play = Plays(never)
    play.takes_jobs.clear()
    async with play.running(tmp_path, LEAVE_AFTER_SEC="200ms") as run:
        await asyncio.wait_for(play.asked.wait(), 20)
        run.send(what)
        result = await asyncio.to_thread(run.ended, 10)
    assert result.code == 130
    assert result.stderr.endswith(
        "cmdexec: The server has not answered in time, so this is left. If it has the job, `cmdexec jobs` shows it.\n"
    )


async def test_a_reader_that_leaves_ends_the_job(tmp_path: Path) -> None:
    """`cmdexec run -- yes | head -1`."""
    read_end, write_end = os.pipe()
    play = Plays(*(output("stdout", offset, bytes(65536)) for offset in range(0, 1 << 20, 65536)), until_cancelled)
    async with play.running(tmp_path, stdout=write_end) as run:
        os.close(write_end)
        assert await asyncio.to_thread(os.read, read_end, 1) == b"\x00"
        os.close(read_end)
        result = await asyncio.to_thread(run.ended, 10)
    assert result.code == 141
    assert result.stderr == ""
    assert play.cancelled.is_set()


async def test_a_wrong_token_is_told_with_the_servers_words(tmp_path: Path) -> None:
    play = Plays(end())
    result = await play.ran(tmp_path, token="a-token-that-nobody-knows")
    assert result.code == 125
    assert result.stderr.startswith("cmdexec: This token is not known. CMDEXEC_TOKEN holds no token that ")
    assert len(result.stderr.splitlines()) == 1
    assert "a-token-that" not in result.stderr


async def test_a_login_that_ends_while_the_job_runs_says_how_to_get_another(tmp_path: Path) -> None:
    over = b'event: error\ndata: {"error":{"code":"unauthorized","message":"This token has ended."}}\n\n'
    play = Plays(output("stdout", 0, b"begun"), over)
    play.good_for = 1
    async with play.running(tmp_path) as run:
        result, url = await asyncio.to_thread(run.ended), play.url
    assert (result.code, result.stdout) == (125, b"begun")
    assert result.stderr.splitlines() == [
        f"cmdexec: The job may still run; `cmdexec attach {JOB_ID}` shows it again.",
        f"cmdexec: This token is not known. CMDEXEC_TOKEN holds no token that {url} takes: set it to one that does, or "
        "unset it and log in.",
    ]


async def test_no_server_is_told_at_once(tmp_path: Path, unused_tcp_port: int) -> None:
    given = {"SERVER_URL": f"http://127.0.0.1:{unused_tcp_port}", "CMDEXEC_TOKEN": TOKEN}
    with command(tmp_path, "run", "--", "true", loaded=True, **given) as run:
        result = await asyncio.to_thread(run.ended)
    assert result.code == 125
    assert given["SERVER_URL"] in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_the_server_is_found_in_its_data_folder(tmp_path: Path) -> None:
    play = Plays(output("stdout", 0, b"found"), end(exit_code=0))
    await play.server.start_server()
    left = tmp_path / "runtime.json"
    left.write_text(plain.dumps({"url": play.url, "token": TOKEN, "pid": 1, "version": ""}))
    left.chmod(0o600)
    with command(tmp_path, "run", "--data-dir", str(tmp_path), "true", loaded=True) as run:
        result = await asyncio.to_thread(run.ended)
    await play.server.close()
    assert (result.code, result.stdout, result.stderr) == (0, b"found", "")
