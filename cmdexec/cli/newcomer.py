"""What `cmdexec` alone says: what to do next, by what is there already."""

import os
import socket
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdexec.errors import CmdexecError
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load

if TYPE_CHECKING:
    from cmdexec.client.logins import Login

_LOOK_SEC = 0.5
"""How long a look at whether a server is there may take: nobody has asked for more than advice."""

_ABOUT = "cmdexec runs commands on workers, and loses nothing about them."

_UNBOUNDED = 1 << 20

Step = tuple[str, str]
"""What to type, and what it does."""

_HELP: Step = ("cmdexec --help", "list all commands")
_ONE: Step = ("cmdexec run --standalone -- echo hello", "run one command now, with nothing set up")
_SERVE: Step = ("cmdexec serve --with-worker", "start a server, with a worker on this machine")
_RUN: Step = ("cmdexec run -- echo hello", "run a command there and see what it says")
_JOBS: Step = ("cmdexec jobs", "list what was run")
_WORKERS: Step = ("cmdexec workers", "list the machines that run jobs")
_JOIN: Step = ("cmdexec join-token create", "let another machine run jobs as well")
_WHO: Step = ("cmdexec whoami", "see whether it answers again")
_LOGOUT: Step = ("cmdexec logout", "leave that server")
_LOGIN: Step = ("cmdexec login --server URL", "use a server that runs somewhere else")


def next_steps(width: int = _UNBOUNDED) -> list[str]:
    """The lines, of up to `width` columns as far as what is to be typed allows."""
    try:
        said, steps = _situation(load(ClientSettings).settings)
    except CmdexecError as wrong:
        said, steps = str(wrong).partition("\n")[0], [_HELP]
    wide = max(len(typed) for typed, _ in steps)
    lines = [line for text in (_ABOUT, said) for line in wrap(text, width, break_on_hyphens=False)] + [""]
    if 5 + wide + max(len(what) for _, what in steps) <= width:
        return lines + [f"  {typed:<{wide}}   {what}" for typed, what in steps]
    for typed, what in steps:
        lines += [f"  {typed}", *wrap(what, width, initial_indent="      ", subsequent_indent="      ")]
    return lines


def _situation(settings: ClientSettings) -> tuple[str, list[Step]]:
    """What is there, as a sentence, and what can be done with it."""
    from cmdexec.client.access import RUNTIME_FILE, read_running
    from cmdexec.client.logins import read_login

    kept = read_login(settings.login_file)
    running = read_running(settings.data_dir / RUNTIME_FILE)
    url = settings.server_url
    if url is not None and settings.token is not None:
        return f"SERVER_URL names the server at {url}.", [_RUN, _JOBS, _HELP]
    if kept is not None and url in (None, kept.url):
        return _logged_in(kept)
    if url is not None and (running is None or running.url != url):
        log_in = (f"cmdexec login --server {url}", "log in to it")
        return f"SERVER_URL names the server at {url}, for which there is no token.", [log_in, _HELP]
    if running is None:
        return "No server of yours runs here, and you are not logged in to any.", [_ONE, _SERVE, _LOGIN, _HELP]
    if _answers(running.url):
        return f"Your server runs at {running.url}: open that in a browser, or type", [_RUN, _JOBS, _JOIN, _HELP]
    data = "" if settings.data_dir == _usual() else f" --data-dir {settings.data_dir}"
    return (
        f"Your server was at {running.url} and does not answer: it has lost nothing, start it anew.",
        [(f"cmdexec serve --with-worker{data}", "start it again"), _ONE, _HELP],
    )


def _logged_in(kept: "Login") -> tuple[str, list[Step]]:
    """What a login that is kept is good for now."""
    from cmdexec.cli.worded import millis
    from cmdexec.clock import SystemClock

    who = f"{kept.email} ({kept.role})" if kept.role else kept.email
    again: Step = (f"cmdexec login --server {kept.url}", "log in again")
    until = millis(kept.expires_at)
    if until is not None and until <= SystemClock().now():
        return f"Your login to {kept.url} as {who} is over.", [again, _LOGOUT, _HELP]
    if not _answers(kept.url):
        return f"You are logged in to {kept.url} as {who}, and it does not answer now.", [_ONE, _WHO, _LOGOUT, _HELP]
    return f"You are logged in to {kept.url} as {who}.", _steps_of(kept.role)


def _steps_of(role: str) -> list[Step]:
    """What somebody of that role may do."""
    if role == "viewer":
        return [_JOBS, _WORKERS, _HELP]
    return [_RUN, _JOBS, _JOIN if role == "admin" else _WORKERS, _HELP]


def _usual() -> Path:
    from cmdexec.settings.shared import data_dir

    try:
        return data_dir("client")
    except ValueError:
        return Path(os.devnull)


def _answers(url: str) -> bool:
    """Whether somebody takes connections there."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=_LOOK_SEC):
            return True
    except (OSError, ValueError):
        return False
