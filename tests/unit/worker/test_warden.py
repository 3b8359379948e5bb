"""The warden itself: light, alone, tidy after others like it, and content with what a machine offers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmdexec.worker.warden import cgroup, proc, wire
from cmdexec.worker.warden.descent import DescentContainment
from cmdexec.worker.warden.entry import contain
from tests.support.executor import begin, opened, run
from tests.support.proc import alive
from tests.support.waiting import becomes, until

HEAVY = {
    "asyncio",
    "dataclasses",
    "json",
    "logging",
    "multiprocessing",
    "re",
    "site",
    "subprocess",
    "threading",
    "typing",
}

LIST_MODULES = """
import sys
sys.path.append(sys.argv[1])
import cmdexec.worker.warden.entry
print(*sorted(sys.modules))
"""


def test_it_loads_nothing_heavy_and_nothing_else_of_cmdexec() -> None:
    root = str(Path(wire.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-c", LIST_MODULES, root],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    loaded = set(done.stdout.split())
    assert not loaded & HEAVY
    ours = {name for name in loaded if name.startswith("cmdexec")}
    assert "cmdexec.worker.warden.serve" in ours
    assert not {name for name in ours if not "cmdexec.worker.warden.".startswith(f"{name}.")} - {
        name for name in ours if name.startswith("cmdexec.worker.warden.")
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="a warden shows its files and its memory to root alone")
async def test_worker_and_warden_stay_small() -> None:
    async with opened() as executor:
        await run(executor, "true")
        lines = Path(f"/proc/{executor.warden_pid}/smaps_rollup").read_text().splitlines()
        [pss] = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    assert pss < 12_000


@pytest.mark.skipif(os.geteuid() != 0, reason="a warden shows its files and its memory to root alone")
async def test_it_holds_no_descriptor_of_a_job_that_has_started() -> None:
    async with opened() as executor:
        folder = Path(f"/proc/{executor.warden_pid}/fd")
        await run(executor, "true")
        before = len(list(folder.iterdir()))
        jobs = [begin(executor, "sleep", "600") for _ in range(5)]
        jobs.append(begin(executor, "no-such-program"))
        jobs.append(begin(executor, "sh", "-c", "exec sleep 600", *["x" * 50_000] * 4))
        await jobs[-2].end()
        await becomes(lambda: all(job.pid for job in jobs if job is not jobs[-2]), "they run")
        # A slot's cgroup keeps one descriptor, for the next job in it.
        slots = 5 if executor.mode != "session" else 0
        assert len(list(folder.iterdir())) <= before + slots


async def test_umask_and_priority_are_the_workers() -> None:
    async with opened() as executor:
        job = await run(executor, "sh", "-c", "umask; nice")
    umask = os.umask(0)
    os.umask(umask)
    assert job.stdout.split() == [f"{umask:04o}".encode(), str(os.getpriority(os.PRIO_PROCESS, 0)).encode()]


async def test_a_job_is_killed_for_memory_before_the_warden() -> None:
    async with opened() as executor:
        job = await run(executor, "cat", "/proc/self/oom_score_adj")
        own = int(Path(f"/proc/{executor.warden_pid}/oom_score_adj").read_text())
    assert int(job.stdout) >= 500 > own


@pytest.mark.parametrize("version", [1, 2])
async def test_what_dead_wardens_left_in_cgroups_is_ended_and_removed(version: int) -> None:
    parent = cgroup.parent_folder(version)
    if parent is None or not os.access(parent, os.W_OK):
        pytest.skip("no such cgroups here")
    with subprocess.Popen(["sleep", "600"]) as sleeper, subprocess.Popen(["true"]) as ended:
        ended.wait()
        folder = Path(parent, f"cmdexec-{os.stat('/proc/self/ns/pid').st_ino}-{ended.pid}-1")
        (folder / "0").mkdir(parents=True)
        (folder / "0" / "cgroup.procs").write_text(str(sleeper.pid))
        async with opened(f"cgroup{version}"), opened(f"cgroup{version}") as other:
            until(lambda: sleeper.poll() is not None, "it was killed")
            assert sleeper.returncode == -9
            assert not folder.exists()
            # Those that live are left alone.
            assert (await run(other, "true")).ends[0].exit_code == 0


def test_where_cgroups_cannot_be_made_descent_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cgroup, "parent_folder", lambda version: str(tmp_path / "none"))
    assert type(contain("auto", 1, 1000)) is DescentContainment
    monkeypatch.setattr(cgroup, "parent_folder", lambda version: None)
    assert type(contain("cgroup2", 1, 1000)) is DescentContainment


def test_a_signal_never_hits_another_process_with_the_same_number() -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        real = proc.read(sleeper.pid)
        assert real is not None
        earlier = proc.Process(real.pid, real.name, real.state, real.parent, real.session, real.start - 1)
        assert not proc.send(earlier, 9)
        assert alive(sleeper.pid)
        assert proc.send(real, 9)
        assert sleeper.wait(5) == -9
        assert not proc.send(real, 9)


def test_a_name_with_brackets_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "600"]) as sleeper:
        try:
            until(lambda: (found := proc.read(sleeper.pid)) and found.name == "a) R (b", "its name is read")
            found = proc.read(sleeper.pid)
            assert found is not None
            assert (found.parent, found.session) == (os.getpid(), os.getsid(0))
            assert str(found) == f"pid {sleeper.pid} (a) R (b)"
        finally:
            sleeper.kill()


def test_children_are_those_of_this_thread_however_many() -> None:
    children = proc.Children()
    before = children.numbers()
    pids = {os.posix_spawn("/bin/sleep", ["sleep", "600"], {}) for _ in range(800)}
    try:
        assert children.numbers() == before | pids
    finally:
        for pid in pids:
            os.kill(pid, 9)
        for pid in pids:
            os.waitpid(pid, 0)
    assert children.numbers() == before
