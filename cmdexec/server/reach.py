"""The address to give to other machines: requests from there come in otherwise than those from here."""

import socket
from ipaddress import ip_address

from cmdexec.settings.shared_checks import is_loopback

BEHIND_PROXY = "https://NAME"
"""Only who set up the proxy knows its name."""

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that nobody has (RFC 5737, RFC 3849): which way they would go is all that is asked; nothing is sent."""


def others_url(host: str, port: int, *, url: str, behind_tls_proxy: bool) -> str | None:
    """How other machines reach a server that listens on `host`; None if they cannot.

    url   how this machine reaches it
    """
    if behind_tls_proxy:
        return BEHIND_PROXY
    bare = host.strip("[]")
    if is_loopback(bare):
        return None
    if bare in ("0.0.0.0", "::"):  # noqa: S104
        return f"http://{_of_this_machine(bare)}:{port}"
    return url


def _of_this_machine(wildcard: str) -> str:
    """The address that it has on its way to others; its name where it has no such way."""
    family = socket.AF_INET6 if ip_address(wildcard).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((_ELSEWHERE[family], 9))
            found = str(asking.getsockname()[0])
        except OSError:
            return socket.gethostname()
    return f"[{found}]" if ":" in found else found
