"""Which machine this is, and which start of it."""

import hashlib
import os
import platform
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_ID = Path("/etc/machine-id")
"""Made when the system was installed (machine-id(5)): the same after every start."""


def boot_id() -> bytes:
    """16 bytes that stay the same until the machine starts again: of Linux's boot id, elsewhere of the time of boot."""
    try:
        named = _BOOT_ID.read_text().strip()
    except OSError:
        import psutil

        named = f"{platform.node()} {int(psutil.boot_time())}"
    return hashlib.sha256(named.encode()).digest()[:16]


def machine_of(lock: int) -> str | None:
    """What stands for this machine and for the data folder of that open lock file, and stays the same when the machine
    is started again; a copy of the folder has another. None where the system does not name its machine."""
    try:
        named = _MACHINE_ID.read_bytes().strip()
    except OSError:
        return None
    about = os.fstat(lock)
    return hashlib.sha256(b"%b %d %d" % (named, about.st_dev, about.st_ino)).hexdigest()[:32] if named else None
