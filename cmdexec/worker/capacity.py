"""What a machine has, and what of it this worker's jobs may use together.

The machine's cores are those that this process may run on, its memory what is built in; where a cgroup around this
worker (a container's, a service's) allows less, that counts. CPU_LIMIT and RAM_LIMIT above that are no fault, so that
one setting can serve many machines: the machine's own count then, and the log says so.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmdexec.settings.worker import WorkerSettings
from cmdexec.system.machine import physical_bytes
from cmdexec.worker.own_group import own_folder

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Capacity:
    """`cpu` cores and `ram_mb` MB (2^20 bytes) for all jobs together; `cpu_set`, `ram_set`: the worker's own limit says
    so, not the machine."""

    cpu: float
    ram_mb: int
    cpu_set: bool = False
    ram_set: bool = False

    @property
    def cpu_limit(self) -> float | None:
        """The worker's limit, if it has one."""
        return self.cpu if self.cpu_set else None

    @property
    def ram_limit_mb(self) -> int | None:
        """The worker's limit, if it has one."""
        return self.ram_mb if self.ram_set else None

    def refusal(self, cpu: float | None, ram_mb: int | None) -> str | None:
        """Why a job with this part can never run here; None: it can."""
        if cpu is not None and cpu > self.cpu:
            has = f"lets its jobs use {self.cpu:g} (CPU_LIMIT)" if self.cpu_set else f"has {self.cpu:g}"
            return f"it asks for {cpu:g} cores, and this worker {has}"
        if ram_mb is not None and ram_mb > self.ram_mb:
            has = f"lets its jobs use {self.ram_mb} MB (RAM_LIMIT)" if self.ram_set else f"has {self.ram_mb} MB"
            return f"it asks for {ram_mb} MB of memory, and this worker {has}"
        return None


def capacity_of(settings: WorkerSettings, machine: Capacity) -> Capacity:
    """The worker's limits, as far as the machine has so much."""
    cpu, ram_mb = settings.cpu_limit, settings.ram_limit
    return Capacity(
        machine.cpu if cpu is None else min(cpu, machine.cpu),
        machine.ram_mb if ram_mb is None else min(ram_mb, machine.ram_mb),
        cpu_set=cpu is not None and cpu <= machine.cpu,
        ram_set=ram_mb is not None and ram_mb <= machine.ram_mb,
    )


def above_the_machine(settings: WorkerSettings, machine: Capacity) -> list[str]:
    """A sentence for each limit that is more than the machine has."""
    found = []
    if settings.cpu_limit is not None and settings.cpu_limit > machine.cpu:
        found.append(f"CPU_LIMIT is {settings.cpu_limit:g}, and this machine has {machine.cpu:g} cores, which count")
    if settings.ram_limit is not None and settings.ram_limit > machine.ram_mb:
        found.append(f"RAM_LIMIT is {settings.ram_limit} MB, and this machine has {machine.ram_mb} MB, which count")
    return found


def machine_capacity(process: str = "/proc/self") -> Capacity:
    """What this machine, or the container around this process, has. Without /proc: what the system says."""
    cpu = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    ram = physical_bytes()
    cpus = [float(quota) / float(period) for quota, period in _quotas(process) if quota.lstrip("-").isdigit()]
    rams = [int(limit) for limit in _memory(process) if limit.isdigit()]
    return Capacity(min([cpu, *(one for one in cpus if one > 0)]), min([ram, *rams]) // _MIB)


def _quotas(process: str) -> Iterator[tuple[str, str]]:
    """Quota and period of each group around it, as written; "max" or -1 is no quota."""
    for folder in _around(process, ""):
        words = _words(folder / "cpu.max")
        if len(words) == 2:
            yield words[0], words[1]
    for folder in _around(process, "cpu"):
        words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(words) == 2:
            yield words[0], words[1]


def _memory(process: str) -> Iterator[str]:
    for folder in _around(process, ""):
        yield from _words(folder / "memory.max")
    for folder in _around(process, "memory"):
        yield from _words(folder / "memory.limit_in_bytes")


def _around(process: str, controller: str) -> Iterator[Path]:
    """The group that it is in, and those around that, as far as they are shown here."""
    try:
        own = own_folder(controller, process)
    except OSError:
        return
    folder = Path(own) if own else None
    while folder is not None and (folder / "cgroup.procs").exists():
        yield folder
        folder = folder.parent


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
