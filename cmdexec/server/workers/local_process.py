"""The process of the server's own worker, and how it is asked to end."""

import sys

if sys.platform == "win32":
    from cmdexec.server.workers.local_process_windows import END, HURRY, Child, tell_other
else:
    from cmdexec.server.workers.local_process_posix import END, HURRY, Child, tell_other

__all__ = ["END", "HURRY", "Child", "tell_other"]
