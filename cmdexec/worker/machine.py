"""What the worker says of its machine."""

import hashlib
import os
import platform
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import psutil

from cmdexec.protocol.messages import Stats
from cmdexec.settings.worker_checks import VALUE_MAX
from cmdexec.system.boot import boot_id
from cmdexec.worker.pulse import Pulse


def owner_of(data_dir: Path) -> str:
    """16 characters that stand for a data folder of this machine and user: what is marked so belongs to its worker."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    return hashlib.sha256(f"{platform.node()} {user} {data_dir.absolute()}".encode()).hexdigest()[:16]


def place_of(lock: int) -> str:
    """What stands for the data folder of that open lock file and this start of the machine: no two processes that live
    can have the same, and a copy, of the folder or of the whole machine, has another."""
    about = os.fstat(lock)
    return hashlib.sha256(b"%b %d %d" % (boot_id(), about.st_dev, about.st_ino)).hexdigest()[:32]


def platform_name() -> str:
    """Such as `linux-x86_64`."""
    return sysconfig.get_platform()[:200]


def labels(given: Sequence[str]) -> dict[str, str]:
    """What jobs may require of this worker: `given`, each `KEY=VALUE`, and its own, which those stand over.

    os        such as `linux`
    arch      such as `x86_64`
    hostname  the machine's name
    """
    named = sysconfig.get_platform()
    own = {"os": named.partition("-")[0], "arch": named.rpartition("-")[2], "hostname": platform.node()}
    pairs = (label.partition("=") for label in given)
    found = own | {key.strip(): value.strip() for key, _, value in pairs}
    return {key: value[:VALUE_MAX] for key, value in found.items() if value}


def stats(running: int, trouble: str | None, pulse: Pulse) -> Stats:
    """How the machine and its link are, and why no job is begun, if so. `cpu` is the share since the last call, so the
    first one says nothing useful of it."""
    memory = psutil.virtual_memory()
    return Stats(
        cpu=min(1.0, max(0.0, psutil.cpu_percent(None) / 100)),
        load=psutil.getloadavg()[0],
        memory_used_bytes=memory.total - memory.available,
        memory_total_bytes=memory.total,
        running=running,
        trouble=None if trouble is None else trouble[:VALUE_MAX],
        heartbeat_sec=round(pulse.interval_sec, 3),
        round_trip_sec=None if pulse.round_trip_sec is None else round(pulse.round_trip_sec, 4),
    )
