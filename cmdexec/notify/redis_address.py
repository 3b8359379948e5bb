"""REDIS_URL: what may stand in it. Its options are the client's own, and of those only the ones that are a person's to
choose: how long is waited, how many connections there are and how answers are read is not."""

from urllib.parse import SplitResult, parse_qsl, urlsplit

from cmdexec.errors import CmdexecError

FIELD = "REDIS_URL"

_MEND = "Write it as rediss://:PASSWORD@HOST:6379/0, or with redis:// where no TLS is wanted."
_OPTIONS = frozenset({"client_name", "db", "health_check_interval", "password", "protocol", "username"})
_OF_TCP = frozenset({"socket_keepalive"})
_OF_TLS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_ciphers", "ssl_keyfile",
     "ssl_password"}
)  # fmt: skip


def read(url: str) -> str:
    """Host and port, or the socket's path: without user and password. Raises CmdexecError(`bad_settings`) for what is
    no address, and for an option that has no place in it; the sentence holds no value of one."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
        options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError as wrong:
        raise no_address() from wrong
    if not _is_one(parts):
        raise no_address()
    _check(parts.scheme, options)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}"


def no_address(told: str = "This is no address of a Redis.", mend: str = _MEND) -> CmdexecError:
    """What is raised for one."""
    return CmdexecError("bad_settings", told, field=FIELD, mend=mend)


def _is_one(parts: SplitResult) -> bool:
    number = parts.path.strip("/")
    if parts.scheme == "unix":
        return bool(number)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (number == "" or number.isdecimal())


def _check(scheme: str, options: list[str]) -> None:
    allowed = _OPTIONS
    if scheme != "unix":
        allowed |= _OF_TCP
    if scheme == "rediss":
        allowed |= _OF_TLS
    for name in options:
        if name in allowed:
            continue
        if name in _OF_TLS:
            raise no_address(
                f"The option {name} is about TLS, which this address does not ask for.",
                "Begin the address with rediss://, or leave the option out.",
            )
        raise no_address(
            f"The option {name[:40]!r} may not stand in this address.",
            f"Leave it out. These may: {', '.join(sorted(allowed))}. Waiting times are settings: REDIS_ANSWER_SEC and "
            "REDIS_RETRY_SEC.",
        )
