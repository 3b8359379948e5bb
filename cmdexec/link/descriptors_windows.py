"""Sockets are no files on Windows, and a process may have millions of them open."""

from cmdexec.log import Log


def allow(count: int) -> int:
    """How many of them fit: all."""
    return count


def room(most: int, log: Log) -> int:
    """How many connections may be open at once: `most` (MAX_CONNECTIONS)."""
    return most
