"""How jobs start that are held to limits: what is sent to them is heard, what cannot be held harms nobody else."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError
from cmdexec.log import Log
from cmdexec.worker.executors.process_posix import ProcessExecutor
from cmdexec.worker.warden import cgroup
from cmdexec.worker.warden.hierarchies import Hierarchies
from cmdexec.worker.warden.limits import Part
from tests.support.executor import PYTHON, begin, held_by
from tests.support.waiting import becomes
from tests.support.worker import worker_settings

JOBS = 60
CORES = "import os; print(len(os.sched_getaffinity(0)), os.nice(0))"


@pytest.mark.parametrize("how", ["cgroup", "watched"])
async def test_a_held_job_hears_term_from_its_first_moment_on(how: str) -> None:
    async with held_by(how, slots=JOBS) as executor:
        jobs = []
        for _ in range(JOBS):
            jobs.append(begin(executor, "sleep", "600", cpu=1))
            executor.stop(jobs[-1].key, 5.0)
            await asyncio.sleep(0)
        assert [(await job.end()).signal for job in jobs] == [15] * JOBS


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"], ids=["nul", "surrogate"])
@pytest.mark.parametrize("part", [{}, {"cpu": 1.0}, {"ram_mb": 10}], ids=["free", "cpu", "ram"])
async def test_a_name_that_no_program_can_have_harms_no_other_job(name: str, part: dict[str, float]) -> None:
    async with held_by("auto") as executor:
        beside = begin(executor, "sleep", "600")
        await becomes(lambda: bool(beside.pid), "it runs")
        end = await begin(executor, name, **part).end()  # type: ignore[arg-type]
        assert (bool(end.start_error), end.machine_fault, end.executor_lost) == (True, False, False)
        assert not beside.ends


async def test_limits_that_the_kernel_refuses_are_this_jobs_failure_and_none_of_the_machine() -> None:
    """As a fault of the machine it would keep the worker from starting any job for a while."""
    async with held_by("cgroup") as executor:
        if executor.limits != "cgroup1":
            pytest.skip("no limits by version 1 here")
        [place] = Path(f"{cgroup.own_folder('cpu')}").glob(f"cmdexec-*-{executor.warden_pid}-*")
        (place / "cpu.cfs_quota_us").write_text("50000")
        end = await begin(executor, "true", cpu=1).end()
        assert end.start_error == "it cannot be held to its part of the machine: Invalid argument"
        assert not end.machine_fault
        assert (await begin(executor, "true", cpu=0.5).end()).exit_code == 0


async def test_watched_jobs_are_born_on_the_cores_of_all_and_those_with_a_part_yield() -> None:
    async with held_by("watched", cpu_limit=0.5) as executor:
        free, part = begin(executor, *PYTHON, CORES), begin(executor, *PYTHON, CORES, cpu=0.5)
        await free.end()
        await part.end()
    assert (free.stdout, part.stdout) == (b"1 0\n", b"1 5\n")


async def test_limits_above_the_machine_are_told_and_count_as_the_machine(caplog: pytest.LogCaptureFixture) -> None:
    async with held_by("watched", cpu_limit=9999, ram_limit=99999999) as executor:
        assert (executor.capacity.cpu_limit, executor.capacity.ram_limit_mb) == (None, None)
    assert "CPU_LIMIT is 9999, and this machine has" in caplog.text
    assert "RAM_LIMIT is 99999999 MB, and this machine has" in caplog.text


async def test_a_worker_that_cannot_start_its_warden_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executor = ProcessExecutor(settings=worker_settings(Path(os.devnull)), lock_fd=None, log=Log("test"))
    missing = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", missing)
    with pytest.raises(CmdexecError) as refused:
        await executor.open()
    assert f"could not be started: No such file or directory: {missing}" in refused.value.message


async def test_a_warden_that_ends_at_once_has_left_its_reason_above(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    executor = ProcessExecutor(settings=worker_settings(Path(os.devnull)), lock_fd=None, log=Log("test"))
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(CmdexecError) as refused:
        await executor.open()
    assert f"it ended at once ({program})" in refused.value.message
    assert "above" in (refused.value.mend or "")


def test_what_jobs_use_counts_for_all_also_where_that_must_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.11 and without systemd `memory.use_hierarchy` is 0, and the limit of all would hold nobody."""
    make = os.mkdir
    files = {"memory.limit_in_bytes": "-1", "memory.use_hierarchy": "0\n", "cpu.cfs_quota_us": "-1"}

    def filled(path: str, mode: int = 0o777) -> None:
        make(path, mode)
        for name, content in files.items():
            Path(path, name).write_text(content)

    monkeypatch.setattr(os, "mkdir", filled)
    limits = Hierarchies({"memory": str(tmp_path), "cpu": str(tmp_path)}, Part(0, 1 << 20))
    assert not limits.hears, "and it does without events, which not all kernels have"
    [place] = tmp_path.iterdir()
    assert (place / "memory.use_hierarchy").read_text().strip() == "1"
    assert (place / "memory.limit_in_bytes").read_text() == str(1 << 20)
