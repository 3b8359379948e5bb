"""Ports of loopback that nobody listens at, nor gets by chance: the system gives those of connections from above."""

import socket
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

_LEAST, _RANGE = 15_000, Path("/proc/sys/net/ipv4/ip_local_port_range")
_chance = SystemRandom()  # the seed of a test is the same in those that run beside it


def free_ports(count: int) -> list[int]:
    """So many, all different. Another test may take one before it is used, hardly ever."""
    found: list[int] = []
    below = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while len(found) < count:
        port = _chance.randrange(_LEAST, max(below, _LEAST + 10_000))
        with suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def free_port() -> int:
    """One."""
    return free_ports(1)[0]
