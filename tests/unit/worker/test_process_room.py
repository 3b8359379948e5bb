"""A machine at its limits: what cannot be started for want of room says so, and nothing else is hurt."""

import os
import resource
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.worker.executors.contract import Order
from cmdexec.worker.executors.process_posix import ProcessExecutor
from tests.support.executor import ENV, Recorder, begin, files_limit, opened, run


def begin_together(executor: ProcessExecutor, count: int, *argv: str) -> list[Recorder]:
    """Start so many of the same as one batch."""
    recorders = [Recorder(executor, f"together{number}.1") for number in range(count)]
    executor.start([(Order(it.key, argv, ENV, "/"), it) for it in recorders])
    return recorders


async def test_slots_need_no_files_of_the_limit_that_jobs_get() -> None:
    with files_limit(100):
        async with opened(slots=150) as executor:
            jobs = begin_together(executor, 150, "sh", "-c", "ulimit -S -n; exec sleep 600")
            for job in jobs:
                await job.says(b"100\n")
            assert (await run(executor, "sh", "-c", "ulimit -S -n")).stdout == b"100\n"
            for job in jobs:
                executor.stop(job.key, 0)
            assert {(await job.end()).signal for job in jobs} == {9}


async def test_orders_whose_pipes_the_warden_has_no_room_for_may_go_elsewhere() -> None:
    async with opened() as executor:
        warden = executor.warden_pid
        resource.prlimit(warden, resource.RLIMIT_NOFILE, (40, 40))
        jobs = begin_together(executor, 60, "echo", "x")
        jobs.append(begin(executor, "echo", *["x" * 50_000] * 3))
        for job in jobs:
            await job.end()
        failed = [job.ends[0] for job in jobs if job.ends[0].start_error]
        assert 20 < len(failed) < 60
        assert all(end.machine_fault for end in failed)
        assert all(job.stdout for job in jobs if job.ends[0].exit_code == 0)
        assert (await run(executor, "echo", "next")).stdout == b"next\n"
        assert executor.warden_pid == warden
        assert {(await run(executor, "true")).ends[0].exit_code for _ in range(40)} == {0}, "it lost no descriptors"


async def test_orders_for_whose_pipes_the_worker_has_no_room_may_go_elsewhere() -> None:
    async with opened() as executor:
        with files_limit(len(os.listdir("/proc/self/fd"))):
            job = await run(executor, "true")
            assert job.ends[0].machine_fault
            assert job.ends[0].start_error == "the worker has too many files open to start another process"
        assert (await run(executor, "true")).ends[0].exit_code == 0


@pytest.fixture
def crowd() -> Iterator[Path]:
    """A cgroup in which there may be one process."""
    folder = Path(f"/sys/fs/cgroup/pids/crowd-{uuid.uuid4().hex}")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no bound on processes here")
    (folder / "pids.max").write_text("1")
    yield folder
    folder.rmdir()


async def test_a_machine_without_room_for_processes_is_told_from_a_wrong_order(crowd: Path) -> None:
    async with opened() as executor:
        (crowd / "cgroup.procs").write_text(str(executor.warden_pid))
        [end] = (await run(executor, "true")).ends
        assert (end.start_error, end.machine_fault) == ("this machine has no room for another process", True)
        (crowd.parent / "cgroup.procs").write_text(str(executor.warden_pid))
        assert not (await run(executor, "no-such-program")).ends[0].machine_fault
        assert not (await run(executor, "true", cwd="/no/such/folder")).ends[0].machine_fault
