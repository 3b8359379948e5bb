"""The cookie of a browser's login: how it is called, set, read and cleared, and when it counts.

A browser, and nothing else, says in `Origin` from which page a POST comes, so a login that has it gets a cookie beside
its token; a program gets its token alone. What the browser says there is also the only sure word on whether it came
over TLS: a proxy may end that before it reaches us.
"""

import re
from collections.abc import Iterable, Mapping

from cmdexec.errors import Refused
from cmdexec.settings.shared_checks import is_loopback

_SECURE_NAME = "__Host-cmdexec"
"""Browsers take such a name only with `Secure` and `Path=/`, from the very host (RFC 6265bis, 4.1.3.2)."""

_VALUE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""32 random bytes in base64url."""

_CSRF = "X-Csrf"
_FROM_US = frozenset({"same-origin", "none"})
_OVER_TLS = "https://"


class Cookie:
    """The cookie that a request has, or would be given, by what it says of the page it comes from.

    On one machine all ports share their cookies: hence the port in the name where there is no TLS.
    """

    def __init__(self, host: str, *, secure: bool) -> None:
        _, port = _split(host)
        self.secure = secure
        self.name = _SECURE_NAME if secure else f"cmdexec-{port}"

    def set(self, value: str, max_age_sec: int) -> str:
        """The value of `Set-Cookie`. Strict: the pages themselves need no login, and what they ask for then comes from
        them, so that links from elsewhere work all the same."""
        return f"{self.name}={value}; Path=/; Max-Age={max_age_sec}; HttpOnly; SameSite=Strict{self._secure}"

    def clear(self) -> str:
        """The value of `Set-Cookie` that takes it away."""
        return f"{self.name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{self._secure}"

    @property
    def _secure(self) -> str:
        return "; Secure" if self.secure else ""


def wanted(headers: Mapping[str, str], *, only_tls: bool) -> Cookie | None:
    """The cookie to set for a login; None for a program's. `headers` finds a name in any case. Raises
    Refused(`bad_origin`) for a page without TLS where `only_tls` and the way to the server leads over a network."""
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is None:
        return None
    secure = origin.lower().startswith(_OVER_TLS)
    if only_tls and not secure and not is_loopback(_split(host)[0]):
        raise Refused(
            "bad_origin", "This server is reached over TLS, and this page was not.", mend="Open it with https://."
        )
    return Cookie(host, secure=secure)


def sent(line: str, headers: Mapping[str, str], *, over_tls: bool) -> tuple[Cookie, tuple[str, ...]] | None:
    """The cookie of ours in a `Cookie` header, and its values; None if there is none. There are several values where
    another page of this host has put one beside ours.

    It could also have put one of the other name there, so the one that goes with how the browser came is looked for
    first: as its `Origin` says, or where it says none, over TLS or not as everybody does.
    """
    origin, host = headers.get("Origin"), headers.get("Host", "")
    secure = origin.lower().startswith(_OVER_TLS) if origin is not None else over_tls
    for cookie in (Cookie(host, secure=secure), Cookie(host, secure=not secure)):
        values = dict.fromkeys(value for name, value in _pairs(line) if name == cookie.name)
        if values:
            return cookie, tuple(values)
    return None


def _split(host: str) -> tuple[str, str]:
    """`[::1]:3000` → `("[::1]", "3000")`; the port is 80 where none is named."""
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdigit() and not host.endswith("]") else (host.removesuffix(":"), "80")


def _pairs(line: str) -> Iterable[tuple[str, str]]:
    for part in line.split(";"):
        name, is_pair, value = part.partition("=")
        if is_pair:
            yield name.strip(), value.strip()


def could_be_ours(value: str) -> bool:
    """Whether the value has the form of one that was given here."""
    return _VALUE.fullmatch(value) is not None


def must_be_from_us(headers: Mapping[str, str], cookie: Cookie, *, effect: bool, csrf: bool) -> None:
    """A browser sends cookies whoever's page makes it ask, so they count only for what our own pages ask. With an
    `effect` that is proven by `Origin`, exactly, and by a header that no page of others can send unasked (`csrf`).

    Raises Refused(`bad_origin`).
    """
    if headers.get("Sec-Fetch-Site", "none").lower() not in _FROM_US:
        raise Refused("bad_origin", "A login by cookie counts for this server's own pages only.")
    origin = headers.get("Origin")
    own = f"{'https' if cookie.secure else 'http'}://{headers.get('Host', '').lower()}"
    if (origin is None and effect) or (origin is not None and origin.lower() != own):
        raise Refused(
            "bad_origin", "A login by cookie counts for this server's own pages only, named by `Origin`.",
            mend="Programs send a token: `Authorization: Bearer …`.",
        )  # fmt: skip
    if csrf and effect and _CSRF not in headers:
        raise Refused(
            "bad_origin", f"With a login by cookie this needs the header `{_CSRF}`.",
            mend=f"Send `{_CSRF}: 1`, or a token as `Authorization: Bearer …`.",
        )  # fmt: skip
