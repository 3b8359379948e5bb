"""How many processes the kernel's OOM killer has ended, where the system says that."""

import sys

if sys.platform == "linux":
    from cmdexec.worker.blackbox.kills_linux import kills
else:
    from cmdexec.worker.blackbox.kills_none import kills

__all__ = ["kills"]
