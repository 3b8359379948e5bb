"""Rules that hold on every side."""

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
