"""Rules over several of the worker's settings."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.shared_checks import is_loopback


def _token_in_clear(values: Given) -> Iterable[Fault]:
    parts = urlsplit(str(values.get("server_url") or ""))
    if parts.scheme == "http" and parts.hostname and not is_loopback(parts.hostname):
        yield Fault(
            "SERVER_URL",
            f"{parts.hostname} is another machine and http:// has no TLS: the worker's credential goes in clear.",
            "Use https:// if the server has it.",
        )


WORKER_WARNINGS: tuple[Check, ...] = (_token_in_clear,)
"""What is warned of: it may be meant so."""
