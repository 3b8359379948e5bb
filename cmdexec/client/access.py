"""Where the server is and what to prove oneself with: as the settings say, as `cmdexec login` kept it, or as a server
of this user left it.

A server writes `runtime.json` into its data folder while it runs (0600). Whoever runs as its user owns its store
anyway, so that file may hold a token.
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cmdexec.client.logins import read_login, read_own
from cmdexec.errors import Refused, Unavailable
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.shared import data_dir
from cmdexec.settings.shared_checks import is_loopback
from cmdexec.settings.sources import read_dotenv

RUNTIME_FILE = "runtime.json"
_KNOW_ONE = (
    "Start one with `cmdexec serve`, name one with --server, or its data folder with --data-dir, or use "
    "`cmdexec run --standalone`."
)
_INSTEAD = "Run this as the user who runs the server, or set SERVER_URL and CMDEXEC_TOKEN."
_ANEW = "Start the server anew, or set SERVER_URL and CMDEXEC_TOKEN."


@dataclass(frozen=True, slots=True)
class Access:
    """The server's address without a slash at its end, and the caller's token.

    source   where the token is from: `CMDEXEC_TOKEN`, `login` or `runtime.json`
    """

    url: str
    token: str = field(repr=False)
    source: str = field(default="", compare=False)


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """What a running server writes down of itself. `others_url`: how other machines reach it, None if they cannot."""

    url: str
    token: str
    pid: int = 0
    version: str = ""
    others_url: str | None = None


def find_access(settings: ClientSettings) -> Access:
    """SERVER_URL and CMDEXEC_TOKEN; what either lacks from the login that is kept, else from `runtime.json`.

    A data folder that is not the usual one was named, so it counts before the login. Blocks for the moment of two small
    reads. Raises Refused("unauthorized") when there is no token for that server and Unavailable("server_away") when
    nothing says where a server is.
    """
    url, token = settings.server_url, settings.token
    if url is not None and token is not None:
        return Access(url, token, "CMDEXEC_TOKEN")
    known = _known(settings)
    if url is None:
        if not known:
            raise Unavailable(
                "server_away",
                f"No server is known: SERVER_URL is not set, nobody is logged in, and no server runs on "
                f"{settings.data_dir}.",
                mend=_folder_elsewhere() or _KNOW_ONE,
            )
        return known[0] if token is None else Access(known[0].url, token, "CMDEXEC_TOKEN")
    for access in known:
        if _same(access.url, url):
            return access
    raise Refused(
        "unauthorized", f"There is no token for {url}.", field="CMDEXEC_TOKEN",
        mend=f"Log in with `cmdexec login --server {url}`, or set CMDEXEC_TOKEN to a token of that server.",
    )  # fmt: skip


def _known(settings: ClientSettings) -> list[Access]:
    """The servers that this user has a token for, the one that counts first at the beginning."""
    login = read_login(settings.login_file) if settings.data_dir == data_dir("client") else None
    if login is not None and settings.server_url is None:
        return [Access(login.url, login.token, "login")]
    running = read_running(settings.data_dir / RUNTIME_FILE)
    found = [] if login is None else [Access(login.url, login.token, "login")]
    return found if running is None else [*found, Access(running.url, running.token, RUNTIME_FILE)]


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
    return read_own(path, Running, field="DATA_DIR", written_by="a server", mend=_INSTEAD, anew=_ANEW)
