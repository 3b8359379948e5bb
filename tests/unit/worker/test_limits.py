"""A job gets at most its part of the memory, by whatever it is held to it; and it is told from other ends."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.worker.executors import process_posix
from cmdexec.worker.executors.process_posix import ProcessExecutor
from cmdexec.worker.warden import cgroup, holds
from cmdexec.worker.warden.command import Totals
from cmdexec.worker.warden.descent import DescentContainment
from cmdexec.worker.warden.hierarchies import Hierarchies, HierarchyShare
from cmdexec.worker.warden.limits import Part
from tests.support.executor import ENV, MODES, PYTHON, begin, files_limit, held_by, opened
from tests.support.proc import alive
from tests.support.waiting import becomes, until
from tests.support.worker import worker_settings

MB = 1 << 20
GROW = "import time; held = bytearray(int({}) << 20); print('grown', flush=True); time.sleep(600)"
"""Takes so many MB and keeps them."""

IN_CHILD = f"""
import os, sys
if os.fork() == 0:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", {GROW.format(300)!r}])
os.wait()
print("its child is gone", flush=True)
"""
DETACHED = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", {GROW.format(300)!r}])
os.wait()
time.sleep(600)
"""
SHARED = """
import os, time
held = bytearray(50 << 20)
for _ in range(4):
    if os.fork() == 0:
        time.sleep(600)
print("forked", flush=True)
time.sleep(600)
"""

SIGHT = """
import os, resource
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([int(status[name], 16) & 0x7FFFFFFF for name in ("SigBlk", "SigIgn", "SigCgt")])  # 32 and 33 are the C library's
print(sorted(os.listdir("/proc/self/fd")), os.readlink("/proc/self/fd/0"), resource.getrlimit(resource.RLIMIT_NOFILE))
print(os.getsid(0) == os.getpid(), os.getcwd(), sorted(os.environ.items()))
print(0 < int(open("/proc/self/oom_score_adj").read()) < 1000)
"""


@pytest.fixture(params=["cgroup", "watched"])
def how(request: pytest.FixtureRequest) -> str:
    """What holds the job."""
    return str(request.param)


@pytest.mark.parametrize("code", [GROW.format(300), IN_CHILD, DETACHED], ids=["itself", "child", "detached"])
async def test_a_job_over_its_memory_is_ended_whole_and_the_next_one_is_not(how: str, code: str) -> None:
    async with held_by(how, limits_look_ms=20.0) as executor:
        within = begin(executor, *PYTHON, GROW.format(40), ram_mb=80)
        free = begin(executor, *PYTHON, GROW.format(100))
        await within.says(b"grown")
        await free.says(b"grown")
        job = begin(executor, *PYTHON, code, ram_mb=80)
        end = await job.end(within=20)
        assert end.oom is not None
        assert end.oom.startswith("it used more than its 80 MB of memory")
        assert ("watched, not enforced" in end.oom) == (how == "watched")
        assert (end.left, end.start_error, end.executor_lost) == (0, None, False)
        assert end.peak_rss_bytes > 40 * MB
        if how == "cgroup":
            assert end.peak_rss_bytes <= 80 * MB
        assert not within.ends
        assert not free.ends
        executor.stop(within.key, 0)
        assert (await within.end()).oom is None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limits", ["auto", "watched"])
async def test_a_held_tree_ends_as_any_other_whatever_holds_it_together(mode: str, limits: str) -> None:
    async with opened(mode, limits=limits, limits_look_ms=20.0) as executor:
        over = begin(executor, *PYTHON, DETACHED, ram_mb=80)
        stopped = begin(executor, *PYTHON, GROW.format(20), ram_mb=80, cpu=1)
        await stopped.says(b"grown")
        end = await over.end(within=20)
        assert (bool(end.oom), end.left) == (True, 0)
        executor.stop(stopped.key, 0)
        end = await stopped.end()
        assert (end.signal, end.oom, end.left) == (9, None, 0)
        assert (await begin(executor, "true").end()).exit_code == 0


async def test_a_kill_from_elsewhere_is_no_want_of_memory(how: str) -> None:
    async with held_by(how, limits_look_ms=20.0) as executor:
        job = begin(executor, *PYTHON, GROW.format(20), ram_mb=80)
        await job.says(b"grown")
        os.kill(job.pid, signal.SIGKILL)
        end = await job.end()
    assert (end.signal, end.oom) == (9, None)


async def test_watched_memory_that_processes_share_is_counted_once() -> None:
    """Their resident sets together are 250 MB, and so is not what the job is judged by."""
    async with held_by("watched", limits_look_ms=10.0) as executor:
        job = begin(executor, *PYTHON, SHARED, ram_mb=120)
        await job.says(b"forked")
        other = begin(executor, *PYTHON, GROW.format(200), ram_mb=100)  # seen in a later look
        assert (await other.end()).oom is not None
        assert not job.ends
        executor.stop(job.key, 0)
        assert (await job.end()).peak_rss_bytes > 200 * MB


async def test_the_jobs_together_have_the_memory_of_the_worker(how: str) -> None:
    """Who named a part and keeps to it stays, though it is the larger one."""
    async with held_by(how, ram_limit=200, limits_look_ms=20.0) as executor:
        within = begin(executor, *PYTHON, GROW.format(120), ram_mb=150)
        await within.says(b"grown")
        end = await begin(executor, *PYTHON, GROW.format(90)).end(within=20)
        assert end.oom is not None
        assert "more than the worker's 200 MB of memory (RAM_LIMIT)" in end.oom
        assert not within.ends


async def test_a_held_job_sees_what_any_job_sees(how: str) -> None:
    with files_limit(700):  # less than the worker takes for itself
        await _see(how)


async def _see(how: str) -> None:
    async with held_by(how, slots=100) as executor:
        free, held = begin(executor, *PYTHON, SIGHT), begin(executor, *PYTHON, SIGHT, cpu=1, ram_mb=100)
        assert (await free.end()).exit_code == (await held.end()).exit_code == 0
    assert held.stdout == free.stdout
    assert b"(700, " in held.stdout
    assert held.stdout


async def test_a_held_program_that_is_none_says_so(how: str) -> None:
    async with held_by(how) as executor:
        missing = await begin(executor, "no-such-program", cpu=1).end()
        text = await begin(executor, "/etc/passwd", ram_mb=10).end()
        long = await begin(executor, "true", "x" * 3_000_000, cpu=1).end()
        bad = await begin(executor, "true", env=ENV | {"A=B": "c"}, cpu=1).end()
        fine = await begin(executor, "true", cpu=1, ram_mb=10).end()
    assert (missing.start_error, missing.machine_fault) == ("no such program: no-such-program", False)
    assert text.start_error == "not executable: /etc/passwd"
    assert long.start_error == "arguments and environment together are longer than this machine allows"
    assert bad.start_error == "not a name for an environment variable: 'A=B'"
    assert (fine.exit_code, fine.start_error) == (0, None)


async def test_the_cpu_time_of_a_tree_is_counted_also_where_nobody_reaped_it() -> None:
    """A child whose parent ignores SIGCHLD is reaped by the kernel, and its usage is in nobody's account."""
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    while time.process_time() < 0.3: pass\n"
        "    os._exit(0)\n"
        "try: os.wait()\n"
        "except ChildProcessError: pass\n"
    )
    async with held_by("cgroup") as executor:
        assert (await begin(executor, *PYTHON, code, ram_mb=100).end()).cpu_sec > 0.3


async def test_where_cgroups_are_asked_for_and_not_there_the_worker_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = ProcessExecutor(
        settings=worker_settings(Path(os.devnull), limits="cgroup"), lock_fd=None, log=Log("test"), mode="session"
    )
    # The warden is a process of its own, so what it finds is decided on its command line: it may not try.
    monkeypatch.setattr(process_posix, "Totals", lambda _wanted, cpu, ram: Totals("watched", cpu, ram))
    with pytest.raises(CmdexecError, match="by cgroups") as refused:
        await executor.open()
    assert refused.value.code == "no_executor"
    assert executor.warden_pid == 0


@pytest.fixture
def places() -> list[Path]:
    """Where wardens make their folders of version 1."""
    return [Path(folder) for name in ("freezer", "memory", "cpu") if (folder := cgroup.own_folder(name))]


def ours(places: list[Path], pid: int) -> list[Path]:
    return [path for place in places for path in place.glob(f"cmdexec-*-{pid}-*")]


@pytest.fixture
def hierarchies() -> Iterator[Hierarchies]:
    """All jobs have 100 MB together."""
    limits, why = holds.choose("auto", Part(ram=100 * MB), DescentContainment(), 0)
    try:
        if not isinstance(limits, Hierarchies):
            pytest.skip(f"NO LIMITS BY CGROUPS OF VERSION 1 HERE: {why}")
        yield limits
    finally:
        limits.close()


def grown_until_killed(limits: Hierarchies, part: Part, mb: int) -> str:
    """Why a process that takes so much was killed, by who looks all the time, also between the kernel's event and its
    kill."""
    share = limits.take(part, DescentContainment().take())
    assert isinstance(share, HierarchyShare)
    enter = f"for file in {share.joins!r}: open(file, 'w').write('0')\n"
    with subprocess.Popen([*PYTHON, enter + GROW.format(mb)], stdout=subprocess.DEVNULL) as job:
        try:
            until(share.killed, "it is killed", step=0)
            return share.verdict()
        finally:
            job.kill()
            job.wait()
            limits.give_back(share)


def test_whose_limit_a_job_was_killed_for_is_told_whenever_it_is_looked(hierarchies: Hierarchies) -> None:
    for _ in range(3):
        assert "(RAM_LIMIT)" in grown_until_killed(hierarchies, Part(), 300)
        assert "its 40 MB of memory" in grown_until_killed(hierarchies, Part(ram=40 * MB), 300)
        assert "(RAM_LIMIT)" in grown_until_killed(hierarchies, Part(ram=200 * MB), 300)


def test_who_is_killed_does_not_wait_for_its_part_of_the_cpu() -> None:
    """Before Linux 6.18 a process that has no time left in its group cannot even die."""
    limits, why = holds.choose("auto", Part(), DescentContainment(), 0)
    try:
        if not isinstance(limits, Hierarchies):
            pytest.skip(f"NO LIMITS BY CGROUPS OF VERSION 1 HERE: {why}")
        share = limits.take(Part(0.5), DescentContainment().take())
        assert isinstance(share, HierarchyShare)
        quota = Path(share.folders["cpu"]) / "cpu.cfs_quota_us"
        assert quota.read_text() == "50000\n"
        share.loosen()
        assert quota.read_text() == "-1\n"
    finally:
        limits.close()
    assert not quota.parent.parent.exists()


async def test_no_folder_is_left_at_the_end(places: list[Path]) -> None:
    async with held_by("cgroup") as executor:
        warden = executor.warden_pid
        await begin(executor, "true", cpu=1).end()
        job = begin(executor, "sleep", "600", ram_mb=10)
        await becomes(lambda: bool(job.pid), "it runs")
        if executor.limits == "cgroup1":
            [limit] = Path(f"{cgroup.own_folder('memory')}").glob(f"cmdexec-*-{warden}-*/*/memory.limit_in_bytes")
            assert int(limit.read_text()) == 10 * MB
            with_swap = limit.with_name("memory.memsw.limit_in_bytes")
            assert not with_swap.exists() or int(with_swap.read_text()) == 10 * MB
    assert ours(places, warden) == []


async def test_a_warden_that_was_killed_leaves_its_folders_to_the_next(places: list[Path]) -> None:
    async with held_by("cgroup") as executor:
        if executor.limits != "cgroup1":
            pytest.skip("no limits by version 1 here")
        warden = executor.warden_pid
        job = begin(executor, "sleep", "600", ram_mb=10)
        await becomes(lambda: bool(job.pid), "it runs")
        assert len(ours(places, warden)) == len(places) == 3
        os.kill(warden, signal.SIGKILL)
        assert (await job.end(within=20)).executor_lost
        assert (await begin(executor, "true", ram_mb=10).end(within=20)).exit_code == 0
        assert ours(places, warden) == []
    until(lambda: not alive(job.pid), "nothing is left")
