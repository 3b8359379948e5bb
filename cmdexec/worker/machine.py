"""What the worker says of its machine."""

import hashlib
import os
import platform
import sysconfig
from pathlib import Path

import psutil

from cmdexec.protocol.messages import Stats

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> bytes:
    """16 bytes that stay the same until the machine starts again: of Linux's boot id, elsewhere of the time of boot."""
    try:
        named = _BOOT_ID.read_text().strip()
    except OSError:
        named = f"{platform.node()} {int(psutil.boot_time())}"
    return hashlib.sha256(named.encode()).digest()[:16]


def platform_name() -> str:
    """Such as `linux-x86_64`."""
    return sysconfig.get_platform()[:200]


def stats(running: int) -> Stats:
    """How the machine is. `cpu` is the share since the last call, so the first one says nothing useful of it."""
    memory = psutil.virtual_memory()
    return Stats(
        cpu=min(1.0, max(0.0, psutil.cpu_percent(None) / 100)),
        load=os.getloadavg()[0],
        memory_used_bytes=memory.total - memory.available,
        memory_total_bytes=memory.total,
        running=running,
    )
