"""How many files and sockets this process may have open, and so how many connections it can take."""

import resource

from cmdexec.errors import CmdexecError
from cmdexec.log import Log

OWN = 48
"""What a server has open beside connections, with some to spare: its store, its log, its ports, its local worker, and
connections that are being refused or closed. Idle it has 14."""

_FEWEST = 10
"""Of connections; with fewer nobody is served."""


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


def room(most: int, log: Log) -> int:
    """How many connections may be open at once: `most` (MAX_CONNECTIONS), or fewer, so that there is always a
    descriptor left for the store. Raises CmdexecError(`bad_settings`) if so few files may be open that none are."""
    files = allow(most + OWN)
    if files - OWN >= most:
        return most
    if files - OWN < _FEWEST:
        raise CmdexecError(
            "bad_settings", f"This process may have {files} files open at once; a server needs {OWN + _FEWEST}.",
            mend="Allow more: `ulimit -n 1024` before it starts, or LimitNOFILE= in its unit.",
        )  # fmt: skip
    log.warning("fewer connections are taken than MAX_CONNECTIONS: no more files may be open", connections=files - OWN)
    return files - OWN
