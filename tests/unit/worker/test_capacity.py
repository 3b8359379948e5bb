"""What a machine has, and what of it a worker's jobs may use."""

import os
from pathlib import Path

import pytest

from cmdexec.worker.capacity import Capacity, above_the_machine, capacity_of, machine_capacity
from tests.support.worker import worker_settings

MACHINE = Capacity(4.0, 8000)
HERE = machine_capacity("/nowhere")


def test_without_limits_it_is_the_machine() -> None:
    assert capacity_of(worker_settings(Path(os.devnull)), MACHINE) == MACHINE
    assert HERE.cpu == len(os.sched_getaffinity(0))
    assert HERE.ram_mb > 100


def test_the_limits_of_the_worker_count() -> None:
    settings = worker_settings(Path(os.devnull), cpu_limit=0.5, ram_limit=512)
    capacity = capacity_of(settings, MACHINE)
    assert capacity == Capacity(0.5, 512, cpu_set=True, ram_set=True)
    assert above_the_machine(settings, MACHINE) == []


def test_a_limit_above_the_machine_is_no_fault_and_is_told() -> None:
    settings = worker_settings(Path(os.devnull), cpu_limit=16, ram_limit=9000)
    assert capacity_of(settings, MACHINE) == MACHINE
    assert above_the_machine(settings, MACHINE) == [
        "CPU_LIMIT is 16, and this machine has 4 cores, which count",
        "RAM_LIMIT is 9000 MB, and this machine has 8000 MB, which count",
    ]


@pytest.mark.parametrize(
    ("cpu", "ram_mb", "says"),
    [
        (None, None, None),
        (4.0, 8000, None),
        (4.5, None, "it asks for 4.5 cores, and this worker has 4"),
        (None, 8001, "it asks for 8001 MB of memory, and this worker has 8000 MB"),
    ],
)
def test_what_can_never_fit_is_told_with_demand_and_limit(cpu: float | None, ram_mb: int | None, says: str) -> None:
    assert MACHINE.refusal(cpu, ram_mb) == says


def test_a_refusal_names_the_setting_that_is_in_the_way() -> None:
    capacity = Capacity(0.5, 512, cpu_set=True, ram_set=True)
    assert "lets its jobs use 0.5 (CPU_LIMIT)" in str(capacity.refusal(1, None))
    assert "lets its jobs use 512 MB (RAM_LIMIT)" in str(capacity.refusal(None, 513))


class Recorded:
    """A process's own files of /proc and a hierarchy of cgroups, as a container shows them."""

    def __init__(self, folder: Path) -> None:
        self.process = folder / "proc"
        self.root = folder / "cgroup"
        self.process.mkdir()

    def write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "cgroup.procs").touch()
        file.write_text(content)

    def mount(self, memberships: str, *mounts: str) -> None:
        """`mounts`: each "folder kind options"."""
        (self.process / "cgroup").write_text(memberships)
        lines = [
            f"36 35 0:3{number} / {self.root}/{folder} rw,nosuid - {kind} cgroup rw,{options}\n"
            for number, (folder, kind, options) in enumerate(mount.split() for mount in mounts)
        ]
        (self.process / "mountinfo").write_text("".join(lines))


def test_a_container_of_version_2_bounds_it(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.mount("0::/box/unit\n", ". cgroup2 nsdelegate")
    recorded.write("box/cpu.max", "50000 100000\n")
    recorded.write("box/memory.max", "268435456\n")
    recorded.write("box/unit/cpu.max", "max 100000\n")
    recorded.write("box/unit/memory.max", "max\n")
    assert machine_capacity(str(recorded.process)) == Capacity(0.5, 256)


def test_a_container_of_version_1_bounds_it(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.mount("4:memory:/box\n3:cpu,cpuacct:/box\n", "memory cgroup memory", "cpu cgroup cpu,cpuacct")
    recorded.write("cpu/box/cpu.cfs_quota_us", "25000\n")
    recorded.write("cpu/box/cpu.cfs_period_us", "100000\n")
    recorded.write("cpu/cpu.cfs_quota_us", "-1\n")
    recorded.write("cpu/cpu.cfs_period_us", "100000\n")
    recorded.write("memory/box/memory.limit_in_bytes", "134217728\n")
    recorded.write("memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert machine_capacity(str(recorded.process)) == Capacity(0.25, 128)


def test_groups_without_limits_bound_nothing(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.mount("0::/\n", ". cgroup2 nsdelegate")
    recorded.write("cgroup.controllers", "cpuset cpu memory\n")
    assert machine_capacity(str(recorded.process)) == HERE
