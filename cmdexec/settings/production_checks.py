"""What a server refuses in production, besides secrets that everybody knows: what is safe on one machine alone."""

from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.shared_checks import is_loopback

_MONGODB, _MONGODB_SRV, _REDIS, _REDIS_TLS = "mongodb", "mongodb+srv", "redis", "rediss"
_TLS_OF = {"tls", "ssl"}
_UNCHECKED_BY_MONGODB = {"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
_REDIS_REQUIRES = {"ssl_cert_reqs": ("required",), "ssl_check_hostname": ("true", "1", "yes", "y", "t")}
"""The options of Redis that may leave a certificate unchecked, and the values with which they do not."""


def _in_production(values: Given) -> bool:
    return values.get("env") == "production"


def _shares_a_secret(values: Given) -> Iterable[Fault]:
    if (
        _in_production(values)
        and "worker_token_secret" in values.named
        and not values.get("allow_shared_worker_secret", True)
    ):
        yield Fault(
            "WORKER_TOKEN_SECRET",
            "In production a secret shared by all workers is off: any of them could speak for any other.",
            "Unset it, or set ALLOW_SHARED_WORKER_SECRET=true.",
        )


def _passwords_in_clear(values: Given) -> Iterable[Fault]:
    host = values.get("host")
    if _in_production(values) and values.get("insecure_http") and isinstance(host, str) and not is_loopback(host):
        yield Fault(
            "INSECURE_HTTP",
            "In production passwords, tokens and output do not go in clear to other machines.",
            "Put a proxy with TLS in front and set BEHIND_TLS_PROXY instead, or listen on 127.0.0.1 alone.",
        )


def _store_in_clear(values: Given) -> Iterable[Fault]:
    if not _in_production(values) or values.get("allow_plain_store", True):
        return
    for name, field, mend in (
        ("MONGODB_URI", "mongodb_uri", "Add tls=true to it"),
        ("REDIS_URL", "redis_url", "Write it with rediss://"),
    ):
        address = str(values.get(field) or "")
        far = next(_other_machines(address), None)
        unchecked = next(_checked_for_nobody(address), None)
        if far is None:
            continue
        if not _goes_over_tls(address):
            yield Fault(
                name,
                f"In production the way to {far} needs TLS: jobs, passwords and output would go over the network in"
                " clear.",
                f"{mend}, or set ALLOW_PLAIN_STORE=true if that network is theirs alone.",
            )
        elif unchecked is not None:
            yield Fault(
                name,
                f"{unchecked} in it lets anybody on the way to {far} pass for it: in production its certificate is"
                " checked.",
                f"Remove {unchecked}, and name the file of a private CA in it where there is one"
                " (tlsCAFile, ssl_ca_certs); or set ALLOW_PLAIN_STORE=true if that network is theirs alone.",
            )


def _options(address: str) -> list[tuple[str, str]]:
    """As written, each as often as it is given."""
    return parse_qsl(address.partition("?")[2])


def _goes_over_tls(address: str) -> bool:
    """Of Redis the scheme alone decides; MongoDB has an option, which is on for `mongodb+srv` unless it says else."""
    scheme = address.partition("://")[0]
    if scheme not in (_MONGODB, _MONGODB_SRV):
        return scheme != _REDIS
    asked = [value.lower() == "true" for name, value in _options(address) if name.lower() in _TLS_OF]
    return any(asked) or (scheme == _MONGODB_SRV and not asked)


def _checked_for_nobody(address: str) -> Iterator[str]:
    """The options by which a certificate, or whose it is, does not count."""
    for name, value in _options(address):
        if address.startswith(_MONGODB):
            unsafe = name.lower() in _UNCHECKED_BY_MONGODB and value.lower() == "true"
        else:
            required = _REDIS_REQUIRES.get(name)
            unsafe = required is not None and value.lower() not in required
        if unsafe:
            yield f"{name}={value[:20]}"


def _other_machines(address: str) -> Iterator[str]:
    """Those that the address names. A socket's path is on this one."""
    scheme, _, rest = address.partition("://")
    if scheme not in (_MONGODB, _MONGODB_SRV, _REDIS, _REDIS_TLS):
        return
    authority = rest.partition("?")[0].partition("/")[0]
    for member in authority.rpartition("@")[2].split(","):
        try:
            host = urlsplit(f"//{member}").hostname or ""
        except ValueError:
            continue  # whoever opens it says that this is none
        if host and not unquote(host).endswith(".sock") and not is_loopback(host):
            yield host


PRODUCTION_CHECKS: tuple[Check, ...] = (_shares_a_secret, _passwords_in_clear, _store_in_clear)
