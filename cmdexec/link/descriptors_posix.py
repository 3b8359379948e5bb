"""How many files and sockets this process may have open."""

import resource


def allow(count: int) -> int:
    """Raise the process's own limit so that `count` fit, as far as the system lets it; how many do fit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
        return wanted
    return count if soft == resource.RLIM_INFINITY else soft
