"""Settings that more than one side has, declared once."""

import os
from pathlib import Path

from platformdirs import user_data_path

from cmdexec.settings.declare import Kind, Relation, Setting, Side

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
DAY = 24 * 3600.0

SECRET_MIN_BYTES = 32
"""HS256 keys shorter than the hash weaken it (RFC 7518, 3.2)."""

_BOTH: frozenset[Side] = frozenset({"server", "worker"})


def data_dir(side: Side) -> Path:
    """The user's own folder for cmdexec; the client looks where a server of the same user keeps `runtime.json`.

    Raises ValueError where the user has no home: unknown to the system, and HOME not set.
    """
    try:
        return user_data_path("cmdexec") / ("worker" if side == "worker" else "server")
    except RuntimeError:
        if side == "client":
            return Path(os.devnull, "server")  # nothing is there, so a server has to be named
        raise ValueError("It is not set, and this user has no home folder to put it into.") from None


SHARED: tuple[Setting, ...] = (
    Setting(
        "SERVER_URL", Kind.URL, None, "The server to talk to, such as https://cmdexec.example.com.",
        frozenset({"worker", "client"}), flag="--server",
    ),
    Setting(
        "DATA_DIR", Kind.PATH, data_dir, "The folder that holds everything this process keeps; made with mode 0700.",
        frozenset({"server", "worker", "client"}), flag="--data-dir",
    ),
    Setting(
        "WORKER_TOKEN_SECRET", Kind.TEXT, None,
        "The key shared by the server and all workers that sign their own tokens with it.",
        _BOTH, secret=True, minimum=SECRET_MIN_BYTES, maximum=4 * KIB,
    ),
    Setting(
        "HEARTBEAT_SEC", Kind.DURATION, 10.0,
        "How often a worker says that it is alive and what it holds; once registered, the server's value counts.",
        _BOTH, unit="s", minimum=0.01, maximum=3600, relation=Relation("LEASE_SEC", times=3),
    ),
    Setting(
        "MAX_FRAME_BYTES", Kind.SIZE, MIB, "The largest WebSocket frame that is read or sent.",
        _BOTH, unit="bytes", minimum=64 * KIB, maximum=64 * MIB, relation=Relation("SOCKET_QUEUE_BYTES", times=2),
    ),
    Setting(
        "FLUSH_MS", Kind.DURATION, 3.0,
        "How long a message waits for others to share its frame with while there is much to send; at most twice that.",
        _BOTH, unit="ms", minimum=0, maximum=1000, relation=Relation("HEARTBEAT_SEC"),
    ),
    Setting(
        "FLUSH_ITEMS", Kind.INTEGER, 64, "A frame is sent at once when this many messages wait for it.",
        _BOTH, minimum=1, maximum=1000, relation=Relation("SOCKET_QUEUE_ITEMS"),
    ),
    Setting(
        "SOCKET_QUEUE_ITEMS", Kind.INTEGER, 1024, "The most messages that wait for one slow reader.",
        _BOTH, minimum=16, maximum=1_000_000,
    ),
    Setting(
        "SOCKET_QUEUE_BYTES", Kind.SIZE, 8 * MIB, "The most bytes that wait for one slow reader.",
        _BOTH, unit="bytes", minimum=64 * KIB, maximum=GIB,
    ),
    Setting(
        "SOCKET_SEND_TIMEOUT_SEC", Kind.DURATION, 10.0, "How long sending one frame may take before the socket is cut.",
        _BOTH, unit="s", minimum=0.1, maximum=300,
    ),
    Setting(
        "SOCKET_PING_SEC", Kind.DURATION, 15.0,
        "How long a socket may be silent before its other end is pinged; half as long again without an answer ends it.",
        _BOTH, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "CONNECT_TIMEOUT_SEC", Kind.DURATION, 10.0, "How long making a connection may take.",
        frozenset({"worker", "client"}), unit="s", minimum=0.1, maximum=300,
    ),
    Setting(
        "LOG_LEVEL", Kind.TEXT, "info", "The least important messages that are logged.",
        frozenset({"server", "worker", "client"}), choices=("debug", "info", "warning", "error"), flag="--log-level",
    ),
    Setting(
        "LOG_FORMAT", Kind.TEXT, "text", "One line of text or one JSON object for each message.",
        _BOTH, choices=("text", "json"), flag="--log-format",
    ),
    Setting(
        "CMDEXEC_ENV", Kind.TEXT, "development", "In production, conveniences that weaken security are off.",
        _BOTH, choices=("development", "test", "production"), aliases=("NODE_ENV",),
    ),
)  # fmt: skip


def shared(side: Side) -> tuple[Setting, ...]:
    """The shared settings that `side` has."""
    return tuple(setting for setting in SHARED if side in setting.sides)
