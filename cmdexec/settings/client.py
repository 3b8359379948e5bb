"""The settings of the command line and of programs that call the API."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cmdexec.settings.declare import Check, Kind, Setting, Side
from cmdexec.settings.shared import KIB, shared

_HERE: frozenset[Side] = frozenset({"client"})

CLIENT: tuple[Setting, ...] = (
    *shared("client"),
    Setting(
        "CMDEXEC_TOKEN", Kind.TEXT, None, "The token that calls are made with.", _HERE,
        secret=True, minimum=16, maximum=8 * KIB,
    ),
    Setting(
        "REQUEST_TIMEOUT_SEC", Kind.DURATION, 60.0, "How long one call may take; following a job has no such end.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """What `load` gives the client: a field for each declaration above, in its unit."""

    side: ClassVar[Side] = "client"

    server_url: str | None
    data_dir: Path
    connect_timeout_sec: float
    log_level: str
    token: str | None = field(repr=False)
    request_timeout_sec: float


CLIENT_CHECKS: tuple[Check, ...] = ()
