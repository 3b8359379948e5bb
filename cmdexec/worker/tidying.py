"""Removing what jobs left in their folders."""

import sys

if sys.platform == "win32":
    from cmdexec.worker.tidying_windows import remove_folders
else:
    from cmdexec.worker.tidying_posix import remove_folders

__all__ = ["remove_folders"]
