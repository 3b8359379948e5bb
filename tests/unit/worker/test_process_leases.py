"""A job that may be given to somebody else when its worker's lease is over is dead by then, whoever is stopped
meanwhile. The deadline is kept by the warden."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cmdexec.worker.executors.process_posix import ProcessExecutor
from tests.support.executor import begin, opened
from tests.support.proc import alive
from tests.support.waiting import becomes, stays, until


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def test_a_leased_job_is_killed_at_its_deadline_and_others_are_not() -> None:
    async with opened() as executor:
        executor.renewed(deadline := now() + 0.6)
        deaf = "trap '' TERM; sleep 600 & while :; do sleep 0.02; done"
        leased = begin(executor, "sh", "-c", deaf, leased=True, kill_grace_sec=30)
        other = begin(executor, "sleep", "600")
        end = await leased.end()
        assert (end.lease_over, end.signal, end.left) == (True, 9, 0)
        assert deadline <= now() < deadline + 1
        assert not other.ends


async def test_each_renewal_puts_it_off() -> None:
    async with opened() as executor:
        executor.renewed(now() + 0.4)
        job = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: job.pid, "it runs")
        executor.renewed(deadline := now() + 1.0)
        await job.end()
        assert now() >= deadline


async def test_a_renewal_may_take_time_away_and_the_last_one_counts() -> None:
    """The server was started anew, and gives shorter leases."""
    async with opened() as executor:
        executor.renewed(now() + 60)
        job = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: job.pid, "it runs")
        executor.renewed(deadline := now() + 0.4)
        assert (await job.end()).lease_over
        assert now() >= deadline


async def test_an_order_that_was_written_before_a_renewal_does_not_undo_it() -> None:
    """Renewals overtake orders that wait for room on the way to the warden."""
    async with opened() as executor:
        executor.renewed(now() + 60)
        first = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: first.pid, "it runs")
        os.kill(executor.warden_pid, signal.SIGSTOP)
        many = [begin(executor, "sleep", "600", leased=True) for _ in range(300)]
        executor.renewed(now() + 0.5)
        os.kill(executor.warden_pid, signal.SIGCONT)
        for job in (first, *many):
            end = await job.end(within=5)
            assert end.lease_over or end.machine_fault


async def test_what_ended_by_itself_is_no_victim_of_its_lease() -> None:
    async with opened(drain_sec=30) as executor:
        executor.renewed(now() + 0.5)
        job = begin(executor, "sh", "-c", "sleep 600 & exit 3", leased=True)
        end = await job.end()
        assert (end.exit_code, end.lease_over, end.left) == (3, False, 0)


async def test_one_that_comes_too_late_is_not_started() -> None:
    async with opened() as executor:
        executor.renewed(now() - 0.1)
        job = begin(executor, "true", leased=True)
        end = await job.end()
        assert end.machine_fault
        assert end.start_error == "its lease was over before it was started"
        assert not job.pid


async def test_a_warden_that_was_stopped_kills_before_anything_else_when_it_goes_on(tmp_path: Path) -> None:
    """As when the whole machine slept: not even a new job, asked for before, comes first."""
    async with opened() as executor:
        executor.renewed(deadline := now() + 0.4)
        job = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: job.pid, "it runs")
        os.kill(executor.warden_pid, signal.SIGSTOP)
        late = begin(executor, "touch", str(tmp_path / "late"), leased=True)
        await becomes(lambda: now() > deadline, "its time is over")
        assert alive(job.pid), "nobody could end it"
        os.kill(executor.warden_pid, signal.SIGCONT)
        assert (await job.end()).lease_over
        assert (await late.end()).machine_fault
        assert not (tmp_path / "late").exists()


async def test_a_renewal_that_waited_counts_when_a_stopped_warden_goes_on() -> None:
    async with opened() as executor:
        executor.renewed(first := now() + 0.3)
        job = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: job.pid, "it runs")
        os.kill(executor.warden_pid, signal.SIGSTOP)
        for _ in range(5000):  # more than the socket takes
            executor.renewed(now() + 60)
        await becomes(lambda: now() > first, "the first deadline is over")
        os.kill(executor.warden_pid, signal.SIGCONT)
        await stays(lambda: not job.ends, "it lives on", during=0.3)
        assert under_way(executor) <= 1


def under_way(executor: ProcessExecutor) -> int:
    lifeline = executor._lifeline
    assert lifeline is not None
    return len(lifeline._waiting) + (lifeline._renewal is not None)


DRIVER = """
import asyncio, time
from tests.support.executor import begin, opened
from tests.support.waiting import becomes

async def main():
    async with opened("session") as executor:
        executor.renewed(time.clock_gettime(time.CLOCK_BOOTTIME) + 0.5)
        job = begin(executor, "sleep", "600", leased=True)
        await becomes(lambda: job.pid, "it runs")
        print(job.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_deadline_is_kept_while_the_worker_is_stopped() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as worker:
        try:
            assert worker.stdout is not None
            job = int(worker.stdout.readline())
            worker.send_signal(signal.SIGSTOP)
            until(lambda: not alive(job), "its lease is over", within=5)
            assert Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        finally:
            worker.kill()


async def test_a_container_that_the_engine_cannot_remove_now_is_asked_for_again_and_once_gone_no_more(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.append(request.split(b"\r\n")[0].decode())
        refused = len(asked) == 1
        writer.write(b"HTTP/1.0 500 Not now\r\n\r\n" if refused else b"HTTP/1.0 204 No Content\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    path = tmp_path / "engine"
    async with await asyncio.start_unix_server(engine, path), opened() as executor:
        executor.renewed(now() + 0.2)
        assert executor.keep_container("a-1", f"unix://{path}")
        await becomes(lambda: len(asked) == 2, "it is asked again")
        assert asked == ["DELETE /containers/a-1?force=1&v=1 HTTP/1.0"] * 2
        await stays(lambda: len(asked) == 2, "it is gone", during=0.6)
