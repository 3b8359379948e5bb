"""Rules over several of the worker's settings, or over the form of one."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from cmdexec.settings.declare import Check, Fault, Given
from cmdexec.settings.shared_checks import is_loopback

_ID = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
"""What servers take for the id of a worker (`server.identity.tokens`), and for the key of a label."""

KEY_MAX, VALUE_MAX = 100, 200
"""Characters of a label's key and value (`protocol.messages`)."""


def _id_as_servers_take_it(values: Given) -> Iterable[Fault]:
    worker_id = values.get("worker_id")
    if isinstance(worker_id, str) and not _ID.fullmatch(worker_id):
        yield Fault(
            "WORKER_ID",
            f"{worker_id!r} holds characters that no server takes in the id of a worker.",
            "Write letters, digits, and any of . _ : - alone.",
        )


def _labels_as_servers_take_them(values: Given) -> Iterable[Fault]:
    labels = values.get("labels")
    seen = set[str]()
    for label in labels if isinstance(labels, tuple) else ():
        key, equals, value = label.partition("=")
        said = ""
        if not equals or not value.strip():
            said = "has no value"
        elif not _ID.fullmatch(key.strip()) or len(key) > KEY_MAX:
            said = "has a key that no server takes"
        elif len(value) > VALUE_MAX or not value.isprintable():
            said = f"has a value that is longer than {VALUE_MAX} characters or cannot be printed"
        elif key.strip() in seen:
            said = f"is the second one with the key {key.strip()}"
        seen.add(key.strip())
        if said:
            yield Fault(
                "LABELS", f"The label {label!r} {said}.",
                "Write KEY=VALUE, such as gpu=a100; a key is letters, digits, and any of . _ : - alone.",
            )  # fmt: skip


_USER = re.compile(r"0*[1-9][0-9]{0,9}(:0*[1-9][0-9]{0,9})?", re.ASCII)
_ENGINE = re.compile(r"unix:///.+|tcp://[^/:]+:[0-9]{1,5}/?")


def _containers_as_engines_take_them(values: Given) -> Iterable[Fault]:
    user, host = values.get("container_user"), values.get("docker_host")
    if isinstance(user, str) and not _USER.fullmatch(user):
        yield Fault(
            "CONTAINER_USER", f"{user!r} is no user and group without 0, which is root, as UID or UID:GID.",
            "Write numbers, such as 65534:65534.",
        )  # fmt: skip
    if isinstance(host, str) and not _ENGINE.fullmatch(host):
        yield Fault(
            "DOCKER_HOST", f"{host!r} is no address of an engine that this version can use.",
            "Write unix:///PATH of its socket, or tcp://HOST:PORT; ssh:// and TLS are not provided.",
        )  # fmt: skip


def _reached_in_clear(values: Given) -> str | None:
    """The server, if it is another machine and there is no TLS on the way to it."""
    parts = urlsplit(str(values.get("server_url") or ""))
    return parts.hostname if parts.scheme == "http" and parts.hostname and not is_loopback(parts.hostname) else None


def _token_in_clear_in_production(values: Given) -> Iterable[Fault]:
    if values.get("env") == "production" and (host := _reached_in_clear(values)) is not None:
        yield Fault(
            "SERVER_URL",
            f"In production the worker's credential does not go in clear to {host}, as it would over http://.",
            "Use https://: a proxy in front of the server can end TLS (BEHIND_TLS_PROXY there).",
        )


WORKER_CHECKS: tuple[Check, ...] = (
    _id_as_servers_take_it, _labels_as_servers_take_them, _containers_as_engines_take_them,
    _token_in_clear_in_production,
)  # fmt: skip


def _token_in_clear(values: Given) -> Iterable[Fault]:
    if (host := _reached_in_clear(values)) is not None:
        yield Fault(
            "SERVER_URL",
            f"{host} is another machine and http:// has no TLS: the worker's credential goes in clear.",
            "Use https:// if the server has it.",
        )


WORKER_WARNINGS: tuple[Check, ...] = (_token_in_clear,)
"""What is warned of: it may be meant so."""
