"""Rules that hold on every side."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from cmdexec.settings.declare import Fault, Given, Setting
from cmdexec.settings.examples import from_guide


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. Names other than `localhost` are not looked up: they count as far."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_ORIGIN = re.compile(r"(https?)://([a-z0-9_.-]+|\[[0-9a-f:]+\])(?::([1-9][0-9]{0,4}))?", re.ASCII)
_OWN_PORTS = {"http": "80", "https": "443"}


def is_origin(text: str) -> bool:
    """Whether a browser could write it so as `Origin` (RFC 6454, 6.2): in small letters, without the scheme's port."""
    found = _ORIGIN.fullmatch(text)
    return found is not None and found[3] != _OWN_PORTS[found[1]] and int(found[3] or 0) <= 65535


def placeholders(declared: Sequence[Setting], values: Given) -> tuple[list[Fault], bool]:
    """The secrets that were copied from the deployment guide, and whether that is too dangerous to start: in
    production, and where other machines can reach a server."""
    host = values.get("host", "localhost")
    severe = values.get("env") == "production" or not is_loopback(str(host))
    found = []
    for setting in declared:
        value = values.get(setting.field)
        if setting.secret and isinstance(value, str) and from_guide(value):
            message = "This is the placeholder of the deployment guide: everybody knows it."
            found.append(Fault(setting.name, message, _MEND))
    return found, severe


_MEND = "Make a secret of your own, for example with `openssl rand -hex 32`."
