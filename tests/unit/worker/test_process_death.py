"""Worker and warden die, alone and at the worst moment: nothing of their jobs is left, and work goes on."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.worker.executors.process_posix import ProcessExecutor
from tests.support.executor import MODES, begin, escape, open_descriptors, opened, run
from tests.support.proc import alive, said_of, with_marker
from tests.support.waiting import becomes, holds, until
from tests.support.worker import worker_settings

DRIVER = """
import asyncio, sys
import pytest
from tests.support.executor import begin, escape, opened
from tests.support.waiting import becomes

async def main(mode, marker, grace):
    async with opened(mode) as executor:
        jobs = [begin(executor, *escape(f"{marker}-{n}", "stay")) for n in range(3)]
        jobs.append(begin(executor, "sh", "-c", "trap '' TERM HUP; while :; do sleep 0.1; done", marker + "-sh"))
        await becomes(lambda: all(job.pid for job in jobs), "all run")
        print(executor.mode, executor.warden_pid, flush=True)
        if grace:
            await asyncio.to_thread(sys.stdin.readline)
            for job in jobs:
                executor.stop(job.key, float(grace))
            print("asked", flush=True)
        await asyncio.sleep(600)

try:
    asyncio.run(main(*sys.argv[1:]))
except pytest.skip.Exception:
    print("no such mode")
"""
"""A worker with four jobs that do not want to end."""


@pytest.fixture
def marker() -> Iterator[str]:
    """What the jobs are known by; at the end of the test there are none."""
    name = f"mark-{uuid.uuid4().hex}"
    yield name
    try:
        until(lambda: not with_marker(name), "nothing is left")
    finally:
        for pid in with_marker(name):
            os.kill(pid, 9)


@contextmanager
def worker(mode: str, marker: str, grace: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that runs four such jobs, and the number of its warden."""
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, mode, marker, grace], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            if said and said[0] != mode:
                pytest.skip(f"no {mode} here")
            until(lambda: _hidden(marker) == 3, "three got away")
            yield process, int(said[1])
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def _hidden(marker: str) -> int:
    """How many run under such a name, their parents gone."""
    return sum(said_of(pid).startswith(marker.encode()) for pid in with_marker(marker))


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_worker_leaves_no_process(mode: str, marker: str) -> None:
    with worker(mode, marker) as (process, warden):
        process.kill()
        until(lambda: not with_marker(marker), "nothing of its jobs lives")
        until(lambda: not alive(warden), "nor its warden")
    assert not _cgroups_of(warden)


def test_signals_from_a_terminal_reach_only_the_worker(marker: str) -> None:
    with worker("session", marker) as (_, warden):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(warden, number)
        holds(lambda: alive(warden) and _hidden(marker) == 3, "all live on", during=0.2)
        assert os.getsid(warden) == warden


def test_the_grace_is_kept_while_the_worker_is_stopped(marker: str) -> None:
    with worker("session", marker, grace="0.4") as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("now\n")
        process.stdin.flush()
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGSTOP)
        until(lambda: not with_marker(f"{marker}-"), "all are killed", within=5)
        assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_the_lock_is_held_until_the_last_tree_is_gone(tmp_path: Path, marker: str) -> None:
    path = tmp_path / "lock"
    with path.open("w") as lock, path.open() as other:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with opened(lock_fd=lock.fileno()) as executor:
            job = await run(executor, "sh", "-c", "ls -l /proc/self/fd")
            assert str(path).encode() not in job.stdout
            lock.close()
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("mode", MODES)
async def test_a_warden_that_dies_takes_its_jobs_along_and_the_next_one_works(mode: str, marker: str) -> None:
    async with opened(mode) as executor:
        first = executor.warden_pid
        jobs = [begin(executor, *escape(f"{marker}-{number}", "stay")) for number in range(3)]
        jobs.append(begin(executor, "sh", "-c", "echo said; trap '' TERM; while :; do sleep 0.1; done"))
        await jobs[-1].says(b"said\n")
        await becomes(lambda: _hidden(marker) == 3, "three got away")
        os.kill(first, signal.SIGKILL)
        for job in jobs:
            end = await job.end()
            assert (end.executor_lost, end.exit_code, end.signal, end.left) == (True, None, None, 0)
            assert not alive(job.pid)
        assert not with_marker(marker)
        assert jobs[-1].stdout == b"said\n"
        assert (await run(executor, "echo", "again")).stdout == b"again\n"
        assert executor.warden_pid not in (0, first)
        assert executor.mode == mode
        assert not _cgroups_of(first)
        # A warden's orphans become this process's children, as it is a subreaper then.
        zombies = [pid for pid in _children() if not alive(pid)]
        assert not zombies


async def noticed(executor: ProcessExecutor) -> None:
    """Until the executor knows that its warden is dead: looked for at each turn of the loop, as it soon has another."""
    async with asyncio.timeout(5):
        while executor.warden_pid:
            await asyncio.sleep(0)


async def test_orders_given_while_the_warden_is_dead_wait_for_the_next() -> None:
    async with opened() as executor:
        first = begin(executor, "sleep", "600")
        await becomes(lambda: first.pid, "it runs")
        os.kill(executor.warden_pid, signal.SIGKILL)
        await noticed(executor)
        waiting = [begin(executor, "echo", "waited"), begin(executor, "echo", "never")]
        executor.stop(waiting[1].key, 0)
        assert (await waiting[0].end()).exit_code == 0
        assert waiting[0].stdout == b"waited\n"
        stopped = await waiting[1].end()
        assert (stopped.start_error, stopped.withdrawn) == ("it was stopped before it could be started", True)
        assert (await first.end()).executor_lost


async def test_orders_that_wait_are_withdrawn_and_what_runs_or_comes_later_is_not() -> None:
    async with opened(slots=500) as executor:
        first = begin(executor, "sleep", "600")
        await becomes(lambda: first.pid, "it runs")
        before = open_descriptors()
        os.kill(executor.warden_pid, signal.SIGSTOP)
        many = [begin(executor, "true") for _ in range(400)]
        executor.withdraw()
        os.kill(executor.warden_pid, signal.SIGCONT)
        ends = [await job.end() for job in many]
        began = [end for end in ends if not end.withdrawn]
        assert 100 < len(began) < 400, "what was sent to the warden is, what found no room is not"
        assert all(end.exit_code == 0 for end in began)
        assert open_descriptors() == before
        os.kill(executor.warden_pid, signal.SIGKILL)
        await noticed(executor)
        waiting = begin(executor, "true")
        executor.withdraw()
        end = await waiting.end()
        assert (end.withdrawn, end.machine_fault, waiting.pid) == (True, False, 0)
        assert (await run(executor, "echo", "again")).stdout == b"again\n"
        assert (await first.end()).executor_lost


async def test_without_a_warden_orders_fail_until_one_can_be_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with opened() as executor:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", str(tmp_path / "no-python"))
            os.kill(executor.warden_pid, signal.SIGKILL)
            await noticed(executor)
            job = await run(executor, "true")
            assert job.ends[0].start_error == "the process that starts jobs could not be started"
        assert (await run(executor, "true")).ends[0].exit_code == 0


async def test_an_executor_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    executor = ProcessExecutor(settings=worker_settings(Path(os.devnull)), lock_fd=None, log=Log("test"))
    with pytest.raises(CmdexecError) as caught:
        await executor.open()
    assert caught.value.code == "no_executor"
    assert caught.value.mend
    await executor.close()


async def test_the_warden_may_die_while_the_executor_closes(marker: str) -> None:
    async with opened() as executor:
        job = begin(executor, *escape(marker, "stay"))
        await becomes(lambda: _hidden(marker) == 1, "it got away")
        os.kill(executor.warden_pid, signal.SIGSTOP)
        closing = asyncio.ensure_future(executor.close())
        await asyncio.sleep(0)
        os.kill(executor.warden_pid, signal.SIGKILL)
        await asyncio.wait_for(closing, 5)
        assert job.ends[0].executor_lost
        assert not with_marker(marker)


def _children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def _cgroups_of(warden: int) -> list[str]:
    found = []
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified"):
        if os.path.isdir(place):
            found += [name for name in os.listdir(place) if name.startswith("cmdexec-") and f"-{warden}-" in name]
    return found
