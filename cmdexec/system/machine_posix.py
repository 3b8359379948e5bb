"""What this machine has, as sysconf(3) says without opening a file."""

import os


def physical_bytes() -> int:
    """Of memory, swap not counted."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
