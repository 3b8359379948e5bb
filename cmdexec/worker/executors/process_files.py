"""Room for open files: a job holds two pipes open here, and four ends of them while it is being handed over."""

import resource
import sys
from dataclasses import dataclass

_FILES_A_SLOT = 4
_FILES_BESIDE = 512
RESERVED = 64
"""What pipes leave free, for the spool and the connection: without these nothing can be said of any job."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many files may be open.

    before     what this process started with, which jobs get: a program that closes or selects over all it may open
               breaks with a high limit
    for_pipes  ends of pipes have numbers below this
    needed     how many all slots in use take
    enough     whether all slots can be in use at once
    """

    before: int
    for_pipes: int
    needed: int
    enough: bool


def make_room(slots: int) -> Room:
    """Raise this process's soft limit as far as `slots` need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = slots * _FILES_A_SLOT + _FILES_BESIDE
    now = _number(soft)
    if now < needed:
        now = min(needed, _number(hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, hard))
    return Room(before=soft, for_pipes=now - RESERVED, needed=needed, enough=now >= needed)


def _number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
