"""Where jobs have their own folders."""

import sys

if sys.platform == "win32":
    from cmdexec.worker.workdir_windows import try_work_dir, work_dir
else:
    from cmdexec.worker.workdir_posix import try_work_dir, work_dir

__all__ = ["try_work_dir", "work_dir"]
