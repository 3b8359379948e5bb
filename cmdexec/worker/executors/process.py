"""Jobs as processes of this machine."""

import sys

if sys.platform == "win32":
    from cmdexec.worker.executors.process_windows import ProcessExecutor
elif sys.platform == "darwin":
    from cmdexec.worker.executors.process_macos import ProcessExecutor
else:
    from cmdexec.worker.executors.process_posix import ProcessExecutor

__all__ = ["ProcessExecutor"]
