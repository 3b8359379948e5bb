"""The cgroup that this process is in, where the system has any."""

import sys

if sys.platform == "linux":
    from cmdexec.worker.warden.cgroup import own_folder
else:
    from cmdexec.worker.own_group_none import own_folder

__all__ = ["own_folder"]
