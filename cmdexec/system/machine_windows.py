"""What this machine has, as Windows says."""

import psutil


def physical_bytes() -> int:
    """Of memory, swap not counted."""
    return psutil.virtual_memory().total
