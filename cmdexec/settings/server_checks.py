"""Rules over several of the server's settings, or over the form of one, that a bound or a relation cannot say."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from cmdexec.settings.declare import Check, Fault, Value


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. Names other than `localhost` are not looked up: they count as far."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _listens_in_clear(values: Mapping[str, Value]) -> Iterable[Fault]:
    host = values.get("host")
    if isinstance(host, str) and not is_loopback(host) and not (
        values.get("behind_tls_proxy") or values.get("insecure_http")
    ):
        yield Fault(
            "CMDEXEC_HOST",
            f"{host} can be reached from other machines, and there is no TLS here.",
            "Set BEHIND_TLS_PROXY (--behind-tls-proxy) if a proxy ends TLS, else INSECURE_HTTP (--insecure-http).",
        )


def _shares_a_secret_in_production(values: Mapping[str, Value]) -> Iterable[Fault]:
    if (
        values.get("env") == "production"
        and values.get("worker_token_secret") is not None
        and not values.get("allow_shared_worker_secret", True)
    ):
        yield Fault(
            "WORKER_TOKEN_SECRET",
            "In production a secret shared by all workers is off: any of them could speak for any other.",
            "Unset it, or set ALLOW_SHARED_WORKER_SECRET=true.",
        )


def _hosts_are_names(values: Mapping[str, Value]) -> Iterable[Fault]:
    hosts = values.get("allowed_hosts")
    for host in hosts if isinstance(hosts, tuple) else ():
        if not host or not all(mark.isalnum() or mark in "-._:[]" for mark in host):
            yield Fault(
                "ALLOWED_HOSTS",
                f"{host[:80]!r} is not a host name.",
                "Name each host, with its port if it has one: cmdexec.example.com, 10.0.0.5:3000. No wildcards.",
            )


def _admin_is_an_address(values: Mapping[str, Value]) -> Iterable[Fault]:
    email = values.get("admin_email")
    if isinstance(email, str) and (email.count("@") != 1 or not all(email.split("@")) or " " in email):
        yield Fault("CMDEXEC_ADMIN_EMAIL", "This is not an e-mail address.", "Write it as name@host.")


SERVER_CHECKS: tuple[Check, ...] = (
    _listens_in_clear,
    _shares_a_secret_in_production,
    _hosts_are_names,
    _admin_is_an_address,
)
