"""How many processes the OOM killer of Linux has ended: of this process's own cgroup, and of the whole machine.

The count of a group is that of the processes that were in it themselves: `memory.events.local` of version 2 (Linux 5.2;
admin-guide/cgroup-v2), `memory.oom_control` of version 1 (4.13), so that jobs in groups of their own are not in it. A
group that was made anew counts from 0; the number of its folder says that it is another. The machine's is in
/proc/vmstat (4.13).
"""

import os

from cmdexec.worker.own_group import own_folder

_MACHINE = "/proc/vmstat"
_FILES = (("", "memory.events.local"), ("memory", "memory.oom_control"))
"""The controller of the hierarchy, "" for version 2, and the file that counts there."""
_KEY = b"oom_kill "


def kills() -> tuple[int, int, int]:
    """Which group this process is in, how many of it were ended, and how many of the machine; 0, -1 and -1 where that
    is not known."""
    return *_of_group(), _count(_MACHINE)


def _of_group() -> tuple[int, int]:
    for controller, file in _FILES:
        try:
            folder = own_folder(controller)
            if folder is not None and (count := _count(f"{folder}/{file}")) >= 0:
                return os.stat(folder).st_ino, count
        except OSError:
            continue
    return 0, -1


def _count(path: str) -> int:
    """-1 where it does not say."""
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return -1
    return next((int(line[len(_KEY) :]) for line in lines if line.startswith(_KEY)), -1)
