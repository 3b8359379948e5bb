"""Signals, and what stands for them, heard on the event loop."""

import sys

if sys.platform == "win32":
    from cmdexec.system.signals_windows import HANG_UP, TELL, hearing, kill_session
else:
    from cmdexec.system.signals_posix import HANG_UP, TELL, hearing, kill_session

__all__ = ["HANG_UP", "TELL", "hearing", "kill_session"]
