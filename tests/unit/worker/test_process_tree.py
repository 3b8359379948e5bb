"""A job's end is its whole tree's end, whatever its processes do to get away, and by whatever their tree is held."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.executor import ENV, MODES, PYTHON, begin, escape, opened, run
from tests.support.proc import alive, said_of, with_marker
from tests.support.waiting import becomes, until


@pytest.fixture
def marker() -> Iterator[str]:
    """A name by which processes that hide can be found; at the end of the test there are none."""
    name = f"mark-{uuid.uuid4().hex}"
    yield name
    left = with_marker(name)
    for pid in left:
        os.kill(pid, 9)
    assert not left


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How trees are held."""
    return str(request.param)


DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


async def test_stop_asks_first(mode: str) -> None:
    async with opened(mode) as executor:
        job = begin(executor, "sh", "-c", "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.02; done")
        await job.says(b"ready")
        executor.stop(job.key, 30)
        end = await job.end()
    assert (end.exit_code, end.signal, end.left) == (7, None, 0)
    assert job.stdout.endswith(b"asked\n")


async def test_stop_kills_what_is_deaf_after_the_grace(mode: str) -> None:
    async with opened(mode) as executor:
        job = begin(executor, "sh", "-c", DEAF)
        await job.says(b"ready")
        asked = time.monotonic()
        executor.stop(job.key, 0.4)
        end = await job.end()
    assert (end.exit_code, end.signal, end.left, end.output_cut) == (None, 9, 0, False)
    assert 0.4 <= job.ended_at - asked < 2


async def test_term_reaches_every_process_of_the_tree(mode: str, marker: str) -> None:
    child = "trap 'echo child asked; exit' TERM; echo child; while :; do sleep 0.02; done"
    async with opened(mode) as executor:
        job = begin(executor, "sh", "-c", f'setsid sh -c "$0" {marker} & echo main; wait; wait', child)
        await job.says(b"child\n")
        executor.stop(job.key, 30)
        await job.end()
    assert b"child asked\n" in job.stdout


async def test_of_two_graces_the_shorter_counts(mode: str) -> None:
    async with opened(mode) as executor:
        job = begin(executor, "sh", "-c", DEAF)
        await job.says(b"ready")
        executor.stop(job.key, 60)
        executor.stop(job.key, 0.1)
        executor.stop(job.key, 60)
        assert (await job.end(within=5)).signal == 9
        executor.stop(job.key, 0)
        executor.stop("never.1", 0)
    assert len(job.ends) == 1


async def test_a_stopped_process_hears_that_it_is_to_end(mode: str) -> None:
    async with opened(mode) as executor:
        job = begin(executor, "sh", "-c", "trap 'exit 7' TERM; echo ready; kill -STOP $$; while :; do sleep 0.02; done")
        await job.says(b"ready")
        executor.stop(job.key, 30)
        assert (await job.end(within=5)).exit_code == 7


async def test_an_escapee_dies_with_a_job_that_is_stopped(mode: str, marker: str) -> None:
    async with opened(mode) as executor:
        job = begin(executor, *escape(marker, "stay"))
        await becomes(lambda: _escaped(marker), "it got away")
        executor.stop(job.key, 0.1)
        end = await job.end()
        assert not with_marker(marker)
    assert (end.signal, end.left, end.survivors) == (9, 0, ())


async def test_an_escapee_dies_with_a_job_that_ends_by_itself(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.2) as executor:
        job = await run(executor, *escape(marker, "leave"))
        assert not with_marker(marker)
    assert (job.ends[0].exit_code, job.ends[0].left, job.ends[0].output_cut) == (0, 0, False)


async def test_only_the_own_escapees_die(mode: str, marker: str) -> None:
    async with opened(mode) as executor:
        one = begin(executor, *escape(f"{marker}-one", "stay"))
        two = begin(executor, *escape(f"{marker}-two", "stay"))
        await becomes(lambda: _escaped(f"{marker}-one") and _escaped(f"{marker}-two"), "both got away")
        executor.stop(one.key, 0)
        assert (await one.end()).left == 0
        assert not with_marker(f"{marker}-one")
        assert with_marker(f"{marker}-two")
        assert (await run(executor, "true")).ends[0].exit_code == 0
        assert with_marker(f"{marker}-two")
        executor.stop(two.key, 0)
        assert (await two.end()).left == 0
        assert not with_marker(f"{marker}-two")


async def test_a_tree_that_forks_without_end_dies(mode: str, marker: str) -> None:
    script = """
import os, sys, time
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.0005)
"""
    async with opened(mode, drain_sec=0.1) as executor:
        job = begin(executor, *PYTHON, script, marker)
        end = await job.end()
        assert not with_marker(marker)
    assert end.left == 0


async def test_a_child_that_holds_the_pipe_may_finish(mode: str) -> None:
    async with opened(mode, drain_sec=20) as executor:
        job = await run(executor, "sh", "-c", "(sleep 0.2; echo late) & echo early")
    assert job.stdout == b"early\nlate\n"
    assert (job.ends[0].exit_code, job.ends[0].output_cut, job.ends[0].left) == (0, False, 0)


async def test_a_child_that_holds_the_pipe_too_long_is_cut_off(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.3) as executor:
        began = time.monotonic()
        job = await run(executor, "sh", "-c", f"sh -c 'sleep 600; :' {marker} & echo early")
        assert not with_marker(marker)
    assert 0.3 <= job.ended_at - began < 3
    assert job.stdout == b"early\n"
    assert (job.ends[0].exit_code, job.ends[0].output_cut, job.ends[0].left) == (0, True, 0)


async def test_a_child_that_holds_no_pipe_is_ended_at_once(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=20) as executor:
        job = await run(executor, "sh", "-c", f"sh -c 'sleep 600; :' {marker} >/dev/null 2>&1 & echo early")
        assert not with_marker(marker)
    assert (job.ends[0].exit_code, job.ends[0].output_cut, job.ends[0].left) == (0, False, 0)


async def test_a_stranger_who_holds_the_pipe_is_cut_off() -> None:
    # Not of the job's tree: this process opens the job's pipe for itself.
    async with opened(drain_sec=0.2) as executor:
        job = begin(executor, "sh", "-c", "echo ready; exec sleep 600")
        await job.says(b"ready")
        held = os.open(f"/proc/{job.pid}/fd/1", os.O_WRONLY)
        try:
            executor.stop(job.key, 0)
            end = await job.end(within=5)
        finally:
            os.close(held)
    assert (end.signal, end.left, end.output_cut) == (9, 0, True)


async def test_close_ends_everything_and_tells_everyone(mode: str, marker: str) -> None:
    async with opened(mode) as executor:
        warden = executor.warden_pid
        jobs = [begin(executor, *escape(marker, "stay")), begin(executor, "sh", "-c", DEAF)]
        paused = begin(executor, "sh", "-c", "echo said; exec sleep 600")
        executor.pause(paused.key)
        await becomes(lambda: _escaped(marker) and all(job.pid for job in [*jobs, paused]), "all run")
        await executor.close()
        assert [job.ends[0].signal for job in [*jobs, paused]] == [9, 9, 9]
        assert not with_marker(marker)
        assert not alive(warden)
        await executor.close()
        late = begin(executor, "true")
        assert (await late.end()).start_error == "the worker runs no jobs any more"
    assert not _cgroups_of(warden)


@pytest.fixture
def icebox() -> Iterator[Path]:
    """A cgroup whose processes KILL cannot end while it is frozen."""
    folder = Path(f"/sys/fs/cgroup/freezer/icebox-{uuid.uuid4().hex}")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no freezer here")
    yield folder
    (folder / "freezer.state").write_text("THAWED")
    until(lambda: not (folder / "cgroup.procs").read_text(), "the icebox is empty")
    folder.rmdir()


async def test_a_survivor_is_named_and_hurts_nobody(icebox: Path) -> None:
    async with opened("session", kill_deadline_sec=0.6, drain_sec=0.1) as executor:
        job = begin(executor, "sleep", "600")
        await becomes(lambda: job.pid and Path(f"/proc/{job.pid}/comm").read_text() == "sleep\n", "it runs")
        (icebox / "cgroup.procs").write_text(str(job.pid))
        (icebox / "freezer.state").write_text("FROZEN")
        executor.stop(job.key, 0)
        end = await job.end()
        assert (end.left, end.survivors) == (1, (f"pid {job.pid} (sleep)",))
        assert alive(job.pid)
        began = time.monotonic()
        assert (await run(executor, "true")).ends[0].left == 0
        assert time.monotonic() - began < 0.6
        (icebox / "freezer.state").write_text("THAWED")
        await becomes(lambda: not alive(job.pid), "the KILL it was sent ends it")


async def test_reused_slots_are_clean(mode: str, marker: str) -> None:
    async with opened(mode, drain_sec=0.1) as executor:
        for _ in range(3):
            job = await run(executor, *escape(marker, "leave"))
            assert job.ends[0].left == 0
            assert (await run(executor, "echo", "x", env=ENV)).stdout == b"x\n"
        assert not with_marker(marker)


def _escaped(marker: str) -> bool:
    """Whether the process runs under that name, its parents gone: its command line begins with it."""
    return any(said_of(pid).startswith(marker.encode()) for pid in with_marker(marker))


def _cgroups_of(warden: int) -> list[str]:
    found = []
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified"):
        if os.path.isdir(place):
            found += [name for name in os.listdir(place) if name.startswith("cmdexec-") and f"-{warden}-" in name]
    return found
