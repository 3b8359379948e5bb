"""Ports of this machine: bound before anything listens, and what is said of one that cannot be."""

import contextlib
import errno
import socket
from collections.abc import Sequence

from cmdexec.errors import CmdexecError


def open_port(host: str, port: int) -> Sequence[socket.socket]:
    """Sockets bound to `port` (0: any free one) of `host`, not listening yet. Raises OSError, UnicodeError."""
    plain = host.strip("[]")
    first = _bind("127.0.0.1" if plain == "localhost" else plain, port)
    opened = [first]
    if plain in ("127.0.0.1", "localhost"):
        with contextlib.suppress(OSError):
            opened.append(_bind("::1", first.getsockname()[1]))
    return opened


def _bind(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, proto, _, address = found[0]
    one = socket.socket(family, kind, proto)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def cannot_open(host: str, port: int, setting: str, wrong: OSError | UnicodeError) -> CmdexecError:
    """What `open_port` failed with, for people; `setting` is what the port is called in the settings."""
    number = wrong.errno if isinstance(wrong, OSError) else None
    if number == errno.EADDRINUSE:
        free = "--port 0" if setting == "PORT" else f"{setting}=0"
        return CmdexecError(
            "in_use", f"Port {port} of {host} ({setting}) is taken by another program.", field=setting,
            mend=f"End that one, or choose another port; {free} lets the system choose.",
        )  # fmt: skip
    if number in (errno.EACCES, errno.EPERM):
        return CmdexecError(
            "bad_settings", f"This user may not listen on port {port} ({setting}).", field=setting,
            mend="Choose a port above 1023.",
        )  # fmt: skip
    return CmdexecError(
        "bad_settings", f"{host} is not an address of this machine.", field="CMDEXEC_HOST",
        mend="Use 127.0.0.1, or an address that this machine has.",
    )  # fmt: skip
