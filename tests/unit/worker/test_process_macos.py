"""What macOS would run jobs by, run here: threads, groups, ps(1), and a keeper. It proves nothing of macOS itself."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cmdexec.log import Log
from cmdexec.worker.executors.contract import Order
from cmdexec.worker.executors.process_macos import ProcessExecutor
from cmdexec.worker.warden.keeper_macos import command
from tests.support.executor import ENV, PYTHON
from tests.support.executor import Recorder as Remembering
from tests.support.proc import alive
from tests.support.waiting import becomes, holds, until
from tests.support.worker import worker_settings

pytestmark = pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="it needs groups and ps(1)")

TREE = "echo $$; sleep 600 & echo $!; wait"


@pytest.fixture
async def executor() -> AsyncIterator[ProcessExecutor]:
    settings = worker_settings(Path(os.devnull), slots=4, drain_sec=0.2, kill_deadline_sec=5.0, limits_look_ms=50)
    made = ProcessExecutor(settings=settings, lock_fd=None, log=Log("test"))
    await made.open()
    yield made
    await made.close()


def begin(executor: ProcessExecutor, *argv: str, **more: object) -> Remembering:
    recorder = Remembering(executor, "job.1")  # type: ignore[arg-type]
    order = Order("job.1", argv, ENV, "/", **more)  # type: ignore[arg-type]
    executor.start([(order, recorder)])
    return recorder


async def tree(recorder: Remembering) -> list[int]:
    await becomes(lambda: recorder.stdout.count(b"\n") == 2, "both run")
    return [int(pid) for pid in recorder.stdout.split()]


async def test_output_and_exit_code_come_as_they_are(executor: ProcessExecutor) -> None:
    job = begin(executor, "sh", "-c", "cat; printf 'x\\0y' >&2; exit 7", stdin=b"\xff\x00given")
    end = await job.end()
    assert (end.exit_code, end.signal, end.start_error, end.left) == (7, None, None, 0)
    assert (job.stdout, job.stderr) == (b"\xff\x00given", b"x\0y")
    assert (job.calls[0], job.calls[-1]) == ("started", "ended")


async def test_a_reader_that_pauses_loses_nothing(executor: ProcessExecutor) -> None:
    job = begin(executor, *PYTHON, "import sys; sys.stdout.buffer.write(bytes(range(256)) * 8192)")
    await becomes(lambda: bool(job.stdout), "it writes")
    executor.pause("job.1")
    assert not job.ends
    executor.resume("job.1")
    assert (await job.end()).exit_code == 0
    assert job.stdout == bytes(range(256)) * 8192


async def test_what_cannot_be_started_says_why(executor: ProcessExecutor) -> None:
    assert (await begin(executor, "frob-of-nobody").end()).start_error == "no such program: frob-of-nobody"


async def test_a_tree_is_ended_at_its_time(executor: ProcessExecutor) -> None:
    job = begin(executor, "sh", "-c", TREE, timeout_sec=0.5, kill_grace_sec=0.1)
    pids = await tree(job)
    end = await job.end()
    assert (end.timed_out, end.left, end.signal) == (True, 0, signal.SIGTERM)
    assert not any(alive(pid) for pid in pids)


async def test_one_that_is_deaf_to_term_is_killed_with_its_tree(executor: ProcessExecutor) -> None:
    job = begin(executor, "sh", "-c", f"trap '' TERM; {TREE}")
    pids = await tree(job)
    executor.stop("job.1", 0.3)
    end = await job.end()
    assert (end.signal, end.left) == (signal.SIGKILL, 0)
    assert not any(alive(pid) for pid in pids)


async def test_what_outlives_the_main_process_is_ended(executor: ProcessExecutor) -> None:
    job = begin(executor, "sh", "-c", "sleep 600 & echo $$; echo $!")
    end = await job.end()
    assert (end.exit_code, end.left) == (0, 0)
    assert not any(alive(pid) for pid in await tree(job))


async def test_more_memory_than_its_part_ends_it(executor: ProcessExecutor) -> None:
    job = begin(executor, *PYTHON, "import time; x = bytearray(300 << 20); time.sleep(600)", ram_mb=64)
    end = await job.end()
    assert end.oom == "it used more than its 64 MB of memory"
    assert end.peak_rss_bytes > 64 << 20


async def test_a_lease_that_is_over_ends_it(executor: ProcessExecutor) -> None:
    executor.renewed(executor.clock.elapsed() + 600)
    job = begin(executor, "sleep", "600", leased=True)
    await becomes(lambda: bool(job.pid), "it runs")
    executor.renewed(executor.clock.elapsed())
    assert (await job.end()).lease_over


async def test_closing_ends_all(executor: ProcessExecutor) -> None:
    job = begin(executor, "sh", "-c", TREE)
    pids = await tree(job)
    await executor.close()
    assert (await job.end()).signal == signal.SIGKILL
    assert not any(alive(pid) for pid in pids)
    assert executor.warden_pid
    assert not alive(executor.warden_pid)


def test_the_keeper_ends_what_it_knows_of_when_the_worker_is_gone() -> None:
    known, ended, unknown = (
        subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True) for _ in range(3)
    )
    try:
        keeper = subprocess.Popen(command(5.0), stdin=subprocess.PIPE, env={})
        assert keeper.stdin is not None
        keeper.stdin.write(f"+{known.pid}\n+{ended.pid}\n-{ended.pid}\n".encode())
        keeper.stdin.flush()
        holds(lambda: known.poll() is None and keeper.poll() is None, "it waits", 0.3)
        keeper.stdin.close()
        assert known.wait(10) == -signal.SIGKILL
        assert keeper.wait(10) == 0
        assert (ended.poll(), unknown.poll()) == (None, None)
    finally:
        for one in (known, ended, unknown):
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()
    until(lambda: not alive(known.pid), "nothing is left")
