"""Processes that leave their cgroup and take off every mark are ended all the same, or named: no proof is false."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdexec.worker.warden import cgroup, proc
from tests.support.executor import MODES, PYTHON, begin, opened, run
from tests.support.proc import alive, with_marker
from tests.support.waiting import becomes, stays, until

HIDE = """
import os, signal, sys, time
name, wait, places = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
seen, hidden = os.pipe()
middle = os.fork()
if middle:
    os.close(hidden)
    os.waitpid(middle, 0)
    os.read(seen, 1)
    os._exit(0)
if os.fork():
    time.sleep(wait)
    os._exit(0)
time.sleep(wait)
os.setsid()
for place in places:
    open(place, "w").write("0")
open("/proc/self/oom_score_adj", "w").write("1000")
os.closerange(0, 3)
os.chdir("/")
os.execve("/bin/sleep", [name, "600"], {})
"""
"""Ends when its grandchild has hidden, for good: `sleep` by the name of the first argument. Before that the grandchild
lives on beside its parents for so many seconds as the second says. The rest are files to leave one's cgroup by."""


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How trees are held."""
    return str(request.param)


@pytest.fixture
def marker() -> Iterator[str]:
    """A name by which processes that hide can be found; at the end of the test there are none."""
    name = f"mark-{uuid.uuid4().hex}"
    yield name
    left = with_marker(name)
    for pid in left:
        os.kill(pid, 9)
    assert not left


def exits(mode: str) -> list[str]:
    """Where a process of this machine writes itself out of a job's cgroup."""
    if mode == "session":
        return []
    version = int(mode[-1])
    return [f"{cgroup.parent_folder(version)}/{'tasks' if version == 1 else 'cgroup.procs'}"]


def _jiffies() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * proc.JIFFIES_PER_SEC)


def _start_of(pid: int) -> int:
    process = proc.read(pid)
    assert process is not None
    return process.start


@pytest.mark.parametrize("mode", ["cgroup1", "cgroup2"])
async def test_who_leaves_the_cgroup_is_ended_with_the_job(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.2) as executor:
        neighbour = begin(executor, "sleep", "600")
        leave = f"echo $$ > {exits(mode)[0]}; setsid sh -c 'sleep 600; :' {marker} >/dev/null 2>&1 &"
        job = await run(executor, "sh", "-c", f"{leave} echo ok")
        assert (job.ends[0].exit_code, job.ends[0].left) == (0, 0)
        assert not with_marker(marker)
        assert not neighbour.ends


@pytest.mark.parametrize("mode", ["cgroup1", "cgroup2"])
async def test_a_main_process_outside_of_its_cgroup_is_asked_and_killed(mode: str, marker: str) -> None:
    leave = f"echo $$ > {exits(mode)[0]}"
    async with opened(mode) as executor:
        script = f"{leave}; trap 'echo asked' TERM; echo ready; while :; do sleep 0.02; done"
        job = begin(executor, "sh", "-c", script, marker)
        await job.says(b"ready")
        executor.stop(job.key, 0.3)
        end = await job.end()
        assert (end.signal, end.left, job.stdout) == (9, 0, b"ready\nasked\n")
        assert not with_marker(marker)


async def test_who_hides_is_of_the_only_job_that_runs(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.2) as executor:
        job = await run(executor, *PYTHON, HIDE, marker, "0", *exits(mode))
        assert (job.ends[0].exit_code, job.ends[0].left) == (0, 0)
        assert not with_marker(marker)


async def test_who_hides_among_several_jobs_is_named_by_each_and_ended_with_the_last(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.2) as executor:
        neighbour = begin(executor, "sleep", "600")
        await becomes(lambda: neighbour.pid, "it runs")
        job = await run(executor, *PYTHON, HIDE, marker, "0", *exits(mode))
        [hidden] = with_marker(marker)
        [end] = job.ends
        assert (end.exit_code, end.left) == (0, 1)
        assert end.survivors == (f"pid {hidden} (sleep), of this job or another",)
        await becomes(lambda: _jiffies() > _start_of(hidden), "who begins now began later")
        later = await run(executor, "true")
        assert later.ends[0].left == 0, "it began after that one was born"
        assert alive(hidden)
        executor.stop(neighbour.key, 0)
        assert (await neighbour.end()).left == 0
        assert not with_marker(marker)


async def test_who_was_noted_before_it_hid_is_known(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.2, warden_look_ms=5.0) as executor:
        neighbour = begin(executor, "sleep", "600")
        job = await run(executor, *PYTHON, HIDE, marker, "0.5", *exits(mode))
        assert (job.ends[0].exit_code, job.ends[0].left) == (0, 0)
        assert not with_marker(marker)
        await stays(lambda: not neighbour.ends, "its neighbour lives on", during=0.05)


async def test_who_hides_is_ended_with_a_warden_that_dies(mode: str, marker: str) -> None:
    async with opened(mode) as executor:
        neighbour = begin(executor, "sleep", "600")
        await run(executor, *PYTHON, HIDE, marker, "0", *exits(mode))
        assert with_marker(marker)
        os.kill(executor.warden_pid, signal.SIGKILL)
        end = await neighbour.end()
        assert (end.executor_lost, end.left) == (True, 0)
        assert not with_marker(marker)


NOBODYS = """
import subprocess, sys
from cmdexec.worker.warden.descent import DescentContainment
with subprocess.Popen(["sh", "-c", "sleep 600; :"], env={"MARK": sys.argv[1]}, start_new_session=True) as stray:
    DescentContainment().note()
    print(stray.wait(10))
"""


def test_a_stray_of_no_job_is_killed_at_sight(marker: str) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", NOBODYS, marker], capture_output=True, text=True, timeout=20, cwd=root)
    assert (done.stdout, done.stderr) == ("-9\n", "")
    until(lambda: not with_marker(marker), "nor is anything left below it")
