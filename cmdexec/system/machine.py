"""What this machine has."""

import sys

if sys.platform == "win32":
    from cmdexec.system.machine_windows import physical_bytes
else:
    from cmdexec.system.machine_posix import physical_bytes

__all__ = ["physical_bytes"]
