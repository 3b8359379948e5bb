"""A job's time: that of its main process, kept by the warden. What ended in time is never said to be late."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.executor import begin, opened
from tests.support.proc import alive
from tests.support.waiting import becomes, stays, until

DEAF = "trap '' TERM; echo ready; while :; do sleep 0.02; done"


async def test_a_job_whose_time_is_over_is_told_to_end() -> None:
    async with opened() as executor:
        began = time.monotonic()
        job = begin(
            executor, "sh", "-c", "trap 'echo asked; exit 7' TERM; while :; do sleep 0.02; done", timeout_sec=0.3,
            kill_grace_sec=30,
        )  # fmt: skip
        end = await job.end()
    assert (end.timed_out, end.exit_code, end.signal, end.left) == (True, 7, None, 0)
    assert job.stdout == b"asked\n"
    assert 0.3 <= job.ended_at - began < 5


async def test_a_deaf_job_whose_time_is_over_is_killed_after_its_grace() -> None:
    async with opened() as executor:
        began = time.monotonic()
        job = begin(executor, "sh", "-c", DEAF, timeout_sec=0.2, kill_grace_sec=0.3)
        end = await job.end()
    assert (end.timed_out, end.exit_code, end.signal) == (True, None, 9)
    assert 0.5 <= job.ended_at - began < 5


async def test_a_job_that_ended_in_time_is_not_late_because_of_its_children() -> None:
    async with opened(drain_sec=0.8) as executor:
        began = time.monotonic()
        job = begin(executor, "sh", "-c", "sleep 600 & echo ok", timeout_sec=0.2)
        end = await job.end()
    assert (end.timed_out, end.exit_code, end.output_cut, end.left) == (False, 0, True, 0)
    assert job.ended_at - began >= 0.8, "its time bounds the main process, not what may drain after it"


async def test_a_job_that_ended_in_time_is_not_late_because_nobody_read_its_output() -> None:
    async with opened() as executor:
        job = begin(executor, "echo", "ok", timeout_sec=0.3)
        executor.pause(job.key)
        await becomes(lambda: job.pid and not Path(f"/proc/{job.pid}").exists(), "it has ended")
        await stays(lambda: not job.ends, "its output waits", during=0.4)
        executor.resume(job.key)
        end = await job.end()
    assert (end.timed_out, end.exit_code, job.stdout) == (False, 0, b"ok\n")


async def test_a_job_that_was_told_to_end_before_its_time_was_over_is_not_late() -> None:
    async with opened() as executor:
        job = begin(executor, "sh", "-c", DEAF, timeout_sec=0.6)
        await job.says(b"ready")
        executor.stop(job.key, 0.7)
        end = await job.end()
    assert (end.timed_out, end.signal) == (False, 9)


async def test_many_bounds_are_kept_apart() -> None:
    async with opened() as executor:
        quick = [begin(executor, "true", timeout_sec=0.9) for _ in range(5)]
        late = [begin(executor, "sleep", "600", timeout_sec=bound) for bound in (1.1, 0.3, 0.7)]
        without = begin(executor, "sleep", "600")
        far = begin(executor, "sleep", "600", timeout_sec=40 * 24 * 3600)
        assert not any([(await job.end()).timed_out for job in quick])
        assert all([(await job.end()).timed_out for job in late])
        assert late[1].ended_at < late[2].ended_at < late[0].ended_at
        assert not without.ends
        assert not far.ends


DRIVER = """
import asyncio
from tests.support.executor import begin, opened
from tests.support.waiting import becomes

async def main():
    async with opened("session") as executor:
        job = begin(executor, "sleep", "600", timeout_sec=0.5)
        await becomes(lambda: job.pid, "it runs")
        print(job.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_time_is_kept_while_the_worker_is_stopped() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as worker:
        try:
            assert worker.stdout is not None
            job = int(worker.stdout.readline())
            worker.send_signal(signal.SIGSTOP)
            until(lambda: not alive(job), "its time is over", within=5)
            assert Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        finally:
            worker.kill()
