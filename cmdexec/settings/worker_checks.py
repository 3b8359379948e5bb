"""Rules over several of the worker's settings, or over the form of one."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.shared_checks import is_loopback

_ID = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
"""What servers take for the id of a worker (`server.identity.tokens`)."""


def _id_as_servers_take_it(values: Given) -> Iterable[Fault]:
    worker_id = values.get("worker_id")
    if isinstance(worker_id, str) and not _ID.fullmatch(worker_id):
        yield Fault(
            "WORKER_ID",
            f"{worker_id!r} holds characters that no server takes in the id of a worker.",
            "Write letters, digits, and any of . _ : - alone.",
        )


WORKER_CHECKS: tuple[Check, ...] = (_id_as_servers_take_it,)


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
