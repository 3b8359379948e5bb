"""What a server refuses in production, besides secrets that everybody knows: what is safe on one machine alone."""

from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.shared_checks import is_loopback

_MONGODB, _MONGODB_SRV, _REDIS = "mongodb", "mongodb+srv", "redis"
_TLS_OF = {"tls", "ssl"}


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
        far = next(_reached_in_clear(str(values.get(field) or "")), None)
        if far is not None:
            yield Fault(
                name,
                f"In production the way to {far} needs TLS: jobs, passwords and output would go over the network in"
                " clear.",
                f"{mend}, or set ALLOW_PLAIN_STORE=true if that network is theirs alone.",
            )


def _reached_in_clear(address: str) -> Iterator[str]:
    """The other machines that are reached without TLS by that address. A socket's path is on this one."""
    scheme, _, rest = address.partition("://")
    authority, _, query = rest.partition("?")
    asked = {name.lower(): value.lower() for name, value in parse_qsl(query)}
    over_tls = [value == "true" for name, value in asked.items() if name in _TLS_OF]
    if scheme not in (_MONGODB, _MONGODB_SRV, _REDIS):
        return
    if any(over_tls) or (scheme == _MONGODB_SRV and not over_tls):
        return
    for member in authority.partition("/")[0].rpartition("@")[2].split(","):
        try:
            host = urlsplit(f"//{member}").hostname or ""
        except ValueError:
            continue  # whoever opens it says that this is none
        if host and not unquote(host).endswith(".sock") and not is_loopback(host):
            yield host


PRODUCTION_CHECKS: tuple[Check, ...] = (_shares_a_secret, _passwords_in_clear, _store_in_clear)
