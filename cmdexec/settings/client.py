"""The settings of the command line and of programs that call the API."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from platformdirs import user_config_path

from cmdexec.settings.declare import Check, Kind, Relation, Setting, Side
from cmdexec.settings.shared import DAY, KIB, MIB, shared

_HERE: frozenset[Side] = frozenset({"client"})


def login_file(_side: Side) -> Path:
    """`login.json` in the user's own folder for configuration of cmdexec."""
    try:
        return user_config_path("cmdexec") / "login.json"
    except RuntimeError:
        return Path(os.devnull, "login.json")  # this user has no home: nothing is there, and nothing is kept


CLIENT: tuple[Setting, ...] = (
    *shared("client"),
    Setting(
        "CMDEXEC_TOKEN", Kind.TEXT, None, "The token that calls are made with.", _HERE,
        secret=True, minimum=16, maximum=8 * KIB,
        mend="Set it to a token of the server; `cmdexec login --print-token` prints one.",
    ),
    Setting(
        "LOGIN_FILE", Kind.PATH, login_file, "The file in which `cmdexec login` keeps server and token (0600).", _HERE,
    ),
    Setting(
        "REQUEST_TIMEOUT_SEC", Kind.DURATION, 60.0, "How long one call may take; following a job has no such end.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "PATIENCE_SEC", Kind.DURATION, 600.0,
        "How long a server that is known to have been there is waited for when it is away or busy.",
        _HERE, unit="s", minimum=0, maximum=30 * DAY,
    ),
    Setting(
        "TELL_AFTER_SEC", Kind.DURATION, 2.0, "How long nothing may happen before you are told what is waited for.",
        _HERE, unit="s", minimum=0.01, maximum=DAY,
    ),
    Setting(
        "LEAVE_AFTER_SEC", Kind.DURATION, 3.0,
        "How long `run` waits, once it is told to end, for a server that has not taken the job.",
        _HERE, unit="s", minimum=0, maximum=3600,
    ),
    Setting(
        "RETRY_FIRST_SEC", Kind.DURATION, 0.1, "The range of the first wait before a call is made again.",
        _HERE, unit="s", minimum=0.001, maximum=3600, relation=Relation("RETRY_MAX_SEC"),
    ),
    Setting(
        "RETRY_MAX_SEC", Kind.DURATION, 5.0, "The largest range of that wait; each wait is a random part of it.",
        _HERE, unit="s", minimum=0.001, maximum=3600,
    ),
    Setting(
        "FOLLOW_SILENCE_SEC", Kind.DURATION, 45.0,
        "A followed job whose server says nothing for so long, not even that it is there, is followed anew.",
        _HERE, unit="s", minimum=0.1, maximum=3600,
    ),
    Setting(
        "SUBMIT_ANSWER_SEC", Kind.DURATION, 2.0,
        "How long a job that was submitted over a socket may be unanswered; then a request submits it, with its key.",
        _HERE, unit="s", minimum=0.01, maximum=3600,
    ),
    Setting(
        "RESULT_MAX_BYTES", Kind.SIZE, 64 * MIB,
        "The most of each stream that a result of the Python library holds; longer ones are read piece by piece.",
        _HERE, unit="bytes", minimum=0, maximum=1 << 40,
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
    login_file: Path
    request_timeout_sec: float
    patience_sec: float
    tell_after_sec: float
    leave_after_sec: float
    retry_first_sec: float
    retry_max_sec: float
    follow_silence_sec: float
    submit_answer_sec: float
    result_max_bytes: int


CLIENT_CHECKS: tuple[Check, ...] = ()
