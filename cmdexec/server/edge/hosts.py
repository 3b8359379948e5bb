"""To whom a request is addressed, and from which page it comes: judged before anything else.

A page of anybody can make a browser send requests to a server on the same machine, under a name of its own that it lets
point there (DNS rebinding). Such a request names that foreign host.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from aiohttp import web

from cmdexec.errors import Refused
from cmdexec.settings.shared_checks import is_loopback

_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>\d{1,5})?)?", re.ASCII)
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104


def split(authority: str) -> tuple[str, str]:
    """`[::1]:3000` → `("::1", "3000")`; the name in lower case, without a last dot; the port may be empty. What is no
    authority has the name ``""``."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return "", ""
    return (found["v6"] or found["name"]).lower().removesuffix("."), found["port"] or ""


class Hosts:
    """The hosts that requests may be addressed to: names of loopback, the address that the connection came in on, the
    host that the server was told to listen on, and ALLOWED_HOSTS (with a port, or for any).

    machine   this machine's name, which counts where others can reach the server: with its domain, and without
    """

    def __init__(self, own: str, allowed: Iterable[str], machine: str = "") -> None:
        pairs = [split(host) for host in allowed]
        if own not in _WILDCARDS:
            pairs.append((own.strip("[]").lower(), ""))
        if not is_loopback(own):
            name = machine.lower().removesuffix(".")
            pairs += [(one, "") for one in (name, name.partition(".")[0]) if one]
        self._any_port = {name for name, port in pairs if not port} | {"localhost"}
        self._exact = {(name, port) for name, port in pairs if port}

    def check(self, request: web.BaseRequest) -> None:
        """Raises Refused(`bad_host`)."""
        given = request.headers.getall("Host", ())
        if len(given) != 1 or not all(self._good(one, request) for one in (*given, *_in_target(request))):
            raise Refused(
                "bad_host", "This server is not known under that name.",
                mend="Use its own address, or have its ALLOWED_HOSTS name this one.",
            )  # fmt: skip

    def _good(self, authority: str, request: web.BaseRequest) -> bool:
        name, port = split(authority)
        if name in self._any_port or (name, port) in self._exact:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        if address.is_loopback:
            return True
        here = request.transport.get_extra_info("sockname") if request.transport else None
        return isinstance(here, tuple) and name == str(here[0]).partition("%")[0]


def _in_target(request: web.BaseRequest) -> Iterable[str]:
    """The authority of a target in absolute form, `GET http://host/…`: it is what counts (RFC 9112, 3.2.2), and we want
    the `Host` beside it to be good all the same."""
    scheme, is_absolute, rest = request.raw_path.partition("://")
    return [re.split("[/?#]", rest, maxsplit=1)[0]] if is_absolute and scheme.isalnum() else []


def check_origin(request: web.BaseRequest) -> None:
    """A browser says from which page a request comes; only from our own may it. Raises Refused(`bad_origin`)."""
    origins = request.headers.getall("Origin", ())
    if not origins:
        return
    host = request.headers.get("Host", "").lower()
    if len(origins) != 1 or origins[0].lower() not in (f"http://{host}", f"https://{host}"):
        raise Refused(
            "bad_origin", "Requests from the pages of another site are not taken.",
            mend="Open this server's own pages; a proxy in front of it has to pass on the `Host` that was asked for.",
        )  # fmt: skip
