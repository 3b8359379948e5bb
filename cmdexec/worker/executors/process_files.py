"""Room for open files: a job holds two pipes open here, and four ends of them while it is being handed over."""

import resource

_FILES_A_SLOT = 4
_FILES_BESIDE = 512


def make_room(slots: int) -> tuple[int, bool]:
    """Raise this process's soft limit as far as `slots` need. The limit before, and whether it is enough now.

    The limit before is what jobs get: a program that closes or selects over all it may open breaks with a high one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = slots * _FILES_A_SLOT + _FILES_BESIDE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft, True
    reachable = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return soft, reachable >= needed
