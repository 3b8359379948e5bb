"""Rules over several of the server's settings, or over the form of one, that a bound or a relation cannot say."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.production_checks import PRODUCTION_CHECKS
from cmdexec.settings.shared_checks import is_loopback, is_origin

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
_NAME_MAX = 253
_REDIS = ("redis://", "rediss://", "unix://")
_MONGODB = ("mongodb://", "mongodb+srv://")
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104


def _could_be_a_host(host: str) -> bool:
    """Whether it has the form of an address or a name (RFC 1123, 2.1); what it stands for is seen when it is opened."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return len(host) <= _NAME_MAX and all(_LABEL.fullmatch(label) for label in host.split("."))
    return True


def _listens_nowhere(values: Given) -> Iterable[Fault]:
    host = values.get("host")
    if isinstance(host, str) and not _could_be_a_host(host):
        yield Fault(
            "CMDEXEC_HOST",
            f"{host[:80]!r} is neither an address nor a host name.",
            "Write it without a port, such as 127.0.0.1 or ::1; the port is PORT (--port).",
        )


def _listens_in_clear(values: Given) -> Iterable[Fault]:
    host = values.get("host")
    if (
        isinstance(host, str)
        and _could_be_a_host(host)
        and not is_loopback(host)
        and not (values.get("behind_tls_proxy", True) or values.get("insecure_http", True))
    ):
        yield Fault(
            "CMDEXEC_HOST",
            f"{host} can be reached from other machines, and there is no TLS here.",
            "Set BEHIND_TLS_PROXY (--behind-tls-proxy) if a proxy ends TLS, else INSECURE_HTTP (--insecure-http).",
        )


def _one_port_for_two(values: Given) -> Iterable[Fault]:
    port, second = values.get("port"), values.get("ws_port")
    if second is not None and second == port and second != 0:
        yield Fault(
            "WS_PORT",
            f"PORT is {port} as well, and two listeners cannot share a port.",
            "Choose another port, or unset WS_PORT: sockets are at /ws of PORT in any case.",
        )


def _has_tls_and_has_none(values: Given) -> Iterable[Fault]:
    if values.get("behind_tls_proxy") and values.get("insecure_http"):
        yield Fault(
            "INSECURE_HTTP",
            "It says that there is no TLS, and BEHIND_TLS_PROXY that a proxy ends it.",
            "Keep BEHIND_TLS_PROXY if there is such a proxy, else INSECURE_HTTP.",
        )


def _hosts_are_names(values: Given) -> Iterable[Fault]:
    hosts = values.get("allowed_hosts")
    for host in hosts if isinstance(hosts, tuple) else ():
        if not host or not all(mark.isalnum() or mark in "-._:[]" for mark in host):
            yield Fault(
                "ALLOWED_HOSTS",
                f"{host[:80]!r} is not a host name.",
                "Name each host, with its port if it has one: cmdexec.example.com, 10.0.0.5:3000. No wildcards.",
            )


def _admin_is_an_address(values: Given) -> Iterable[Fault]:
    email = values.get("admin_email")
    if isinstance(email, str) and (email.count("@") != 1 or not all(email.split("@")) or " " in email):
        yield Fault("CMDEXEC_ADMIN_EMAIL", "This is not an e-mail address.", "Write it as name@host.")


def _is_of_mongodb(values: Given) -> bool:
    return str(values.get("mongodb_uri") or "").startswith(_MONGODB)


def _names_another_store(values: Given) -> Iterable[Fault]:
    if values.get("mongodb_uri") is not None and not _is_of_mongodb(values):
        yield Fault(
            "MONGODB_URI",
            "This is no address of MongoDB: it begins neither with mongodb:// nor with mongodb+srv://.",
            "Write it as mongodb://USER:PASSWORD@HOST:27017/DATABASE?replicaSet=NAME.",
        )


def _shares_a_store_and_no_key(values: Given) -> Iterable[Fault]:
    if _is_of_mongodb(values) and "jwt_secret" not in values.named:
        yield Fault(
            "JWT_SECRET",
            "MONGODB_URI names a store that servers share, so each has to know the key that signs login tokens.",
            "Set it to the same value on all servers, for example what `openssl rand -hex 32` prints.",
        )


def _names_no_redis(values: Given) -> Iterable[Fault]:
    url = values.get("redis_url")
    if url is not None and not str(url).startswith(_REDIS):
        yield Fault(
            "REDIS_URL",
            "This is no address of a Redis: it begins neither with rediss:// nor with redis:// or unix://.",
            "Write it as rediss://:PASSWORD@HOST:6379/0.",
        )


def _calls_from_no_origin(values: Given) -> Iterable[Fault]:
    origins = values.get("cors_origins")
    for origin in origins if isinstance(origins, tuple) else ():
        if not is_origin(origin):
            yield Fault(
                "CORS_ORIGINS",
                f"{origin[:80]!r} is not an origin as browsers name it.",
                "Write each as scheme and host, in small letters, with the port where it is not the scheme's own, such"
                " as https://ci.example.com: no path, and no wildcards.",
            )


SERVER_CHECKS: tuple[Check, ...] = (
    _listens_nowhere,
    _listens_in_clear,
    _has_tls_and_has_none,
    _one_port_for_two,
    _hosts_are_names,
    _admin_is_an_address,
    _names_another_store,
    _shares_a_store_and_no_key,
    _names_no_redis,
    _calls_from_no_origin,
    *PRODUCTION_CHECKS,
)


def _names_no_host_behind_a_proxy(values: Given) -> Iterable[Fault]:
    if values.get("behind_tls_proxy") and not values.get("allowed_hosts"):
        yield Fault(
            "ALLOWED_HOSTS",
            "Requests that a proxy passes on with its own host name are refused: only this machine's names are known.",
            "Name the proxy's host, as people type it.",
        )


def _names_no_host_in_clear(values: Given) -> Iterable[Fault]:
    host = values.get("host")
    if (
        values.get("insecure_http")
        and host in _WILDCARDS
        and not values.get("allowed_hosts")
        and not values.get("behind_tls_proxy")
    ):
        yield Fault(
            "ALLOWED_HOSTS",
            "Only this machine's own addresses and its host name are known: requests under any other name are refused.",
            "Name the others by which people and workers reach this server, if there are any.",
        )


def _fewer_heartbeats_than_there_are(values: Given) -> Iterable[Fault]:
    most = values.get("rate_limit_max_heartbeat")
    window, every = values.get("rate_limit_window_ms"), values.get("heartbeat_sec")
    if not (isinstance(most, int) and isinstance(window, float) and isinstance(every, float)):
        return
    if most * every * 1000 < window:
        yield Fault(
            "RATE_LIMIT_MAX_HEARTBEAT",
            f"Workers that poll send one every {every:g} s, which is more than {most:,} in {window / 1000:g} s.",
            "Raise it, or raise HEARTBEAT_SEC.",
        )


SERVER_WARNINGS: tuple[Check, ...] = (
    _names_no_host_behind_a_proxy,
    _names_no_host_in_clear,
    _fewer_heartbeats_than_there_are,
)
"""What is warned of: it may be meant so."""
