"""Where the server is and what to prove oneself with: as the settings say, or as a server of this user left it.

A server writes `runtime.json` into its data folder while it runs (0600). Whoever runs as its user owns its store
anyway, so that file may hold a token.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.shared_checks import is_loopback
from cmdexec.settings.sources import read_dotenv

RUNTIME_FILE = "runtime.json"
_MAX_BYTES = 64 * 1024
_KNOW_ONE = (
    "Start one with `cmdexec serve`, name one with --server, or its data folder with --data-dir, or use "
    "`cmdexec run --standalone`."
)


@dataclass(frozen=True, slots=True)
class Access:
    """The server's address without a slash at its end, and the caller's token."""

    url: str
    token: str = field(repr=False)


class Running(msgspec.Struct, frozen=True):
    """What a running server writes down of itself."""

    url: str
    token: str
    pid: int = 0
    version: str = ""


def find_access(settings: ClientSettings) -> Access:
    """SERVER_URL and CMDEXEC_TOKEN, and what either lacks from `runtime.json` in DATA_DIR.

    Blocks for the moment of a small read. Raises Refused("unauthorized") when there is no token for that server and
    Unavailable("server_away") when nothing says where a server is.
    """
    if settings.server_url is not None and settings.token is not None:
        return Access(settings.server_url, settings.token)
    path = settings.data_dir / RUNTIME_FILE
    running = read_running(path)
    if settings.server_url is None:
        if running is None:
            raise Unavailable(
                "server_away",
                f"No server is known: SERVER_URL is not set, and no server runs on {settings.data_dir}.",
                mend=_folder_elsewhere() or _KNOW_ONE,
            )
        return Access(running.url, settings.token or running.token)
    if running is None or not _same(running.url, settings.server_url):
        raise Refused(
            "unauthorized", f"There is no token for {settings.server_url}.", field="CMDEXEC_TOKEN",
            mend="Set CMDEXEC_TOKEN to a token of that server; its POST /api/auth/login gives one.",
        )  # fmt: skip
    return Access(running.url, running.token)


def _same(running: str, named: str) -> bool:
    """Whether both are the same server: loopback has several names. What is sent goes to `running`."""
    if running == named:
        return True
    one, other = urlsplit(running), urlsplit(named)
    return (
        (one.scheme, one.port, one.path) == (other.scheme, other.port, other.path)
        and is_loopback(one.hostname or "")
        and is_loopback(other.hostname or "")
    )


def _folder_elsewhere() -> str | None:
    """What to do if the data folder of a server is named in the `.env` here: only servers and workers read that file,
    since it may be anybody's."""
    folder = read_dotenv(Path(".env"), [], []).get("DATA_DIR")
    if not folder:
        return None
    said = f"The .env here names the data folder {folder[:200]}, but is read by servers and workers alone."
    return f"{said} If that server is yours, name its folder with --data-dir."


def read_running(path: Path) -> Running | None:
    """What the server left at `path`, None where there is nothing.

    Raises Refused("forbidden") if others could have written it: it decides where a token is sent.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} cannot be read: {wrong.strerror}.", field="DATA_DIR",
            mend="Run this as the user who runs the server, or set SERVER_URL and CMDEXEC_TOKEN.",
        ) from wrong  # fmt: skip
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(
            "forbidden", f"{path} could have been written by another user, so it is not believed.", field="DATA_DIR",
            mend="Run this as the user who runs the server, or set SERVER_URL and CMDEXEC_TOKEN.",
        )  # fmt: skip
    try:
        return msgspec.json.decode(content, type=Running)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "bad_data_dir", f"{path} is not what a server writes.", field="DATA_DIR",
            mend="Start the server anew, or set SERVER_URL and CMDEXEC_TOKEN.",
        ) from wrong  # fmt: skip
