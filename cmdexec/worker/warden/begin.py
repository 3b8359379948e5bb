"""What stands by when the worker dies."""

import sys

if sys.platform == "win32":
    from cmdexec.worker.warden.none_windows import main
elif sys.platform == "darwin":
    from cmdexec.worker.warden.keeper_macos import main
else:
    from cmdexec.worker.warden.entry import main

__all__ = ["main"]
