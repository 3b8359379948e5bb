"""Ports of loopback that nobody listens at."""

import socket


def free_ports(count: int) -> list[int]:
    """So many, all different. Somebody else may take one before it is used."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def free_port() -> int:
    """One."""
    return free_ports(1)[0]
