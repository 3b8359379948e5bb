"""`cmdexec login`, `logout` and `whoami`: who one is to a server."""

import sys
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.printed import print_json, print_lines, width
from cmdexec.cli.told import tell
from cmdexec.errors import CmdexecError, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdexec.cli.facts import Fact
    from cmdexec.client import Access, Client
    from cmdexec.client.logins import Login
    from cmdexec.protocol.accounts import MeView
    from cmdexec.protocol.requests import LoggedIn

_SOURCES = {
    "CMDEXEC_TOKEN": "the token in CMDEXEC_TOKEN",
    "login": "the login that `cmdexec login` keeps",
    "runtime.json": "the server of yours that runs on this machine",
}
"""Where a token is from → how it reads."""


@click.command()
@click.option("--email", "-u", metavar="EMAIL", help="Who logs in. [default: it is asked for]")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, not from the terminal.")
@click.option("--print-token", is_flag=True, help="Print the token, for CMDEXEC_TOKEN elsewhere; keep no login.")
@json_option("Print one JSON object: server, user, role and expiry; never the token.")
@calls_server
def login(caller: Caller, email: str | None, password_stdin: bool, print_token: bool, as_json: bool) -> None:
    """Log in to a server, and keep the login for the other commands.

    It is kept for one server at a time, in a file that only you can read (LOGIN_FILE), and is good for 24 hours. A
    token in CMDEXEC_TOKEN counts before it, a server that runs on this machine after it.

    Example: `cmdexec login --server https://cmdexec.example.com --email ada@example.com`
    """
    from cmdexec.cli.asked_password import asked_password, given_password
    from cmdexec.client import Access
    from cmdexec.client.logins import Login, keep_login

    if print_token and as_json:
        raise click.UsageError("--print-token prints nothing but the token; leave out --json.")
    url = _address(caller)
    if email is None:
        email = _asked_email()
    _warn_of_what_is_in_clear(url)
    password = given_password() if password_stdin else asked_password()

    async def log_in(client: "Client") -> "LoggedIn":
        return await client.login(email, password)

    told = caller.call(log_in, lambda: Access(url, ""))
    kept = Login(url, told.token, told.user.email, told.user.role, told.expires_at)
    if print_token:
        print_lines([told.token])
        _say_who(kept, as_json)
        return
    keep_login(caller.settings.login_file, kept)
    _say_who(kept, as_json)
    if caller.settings.token is not None:
        tell("CMDEXEC_TOKEN is set and counts before this login; unset it to use the login.")


def _address(caller: Caller) -> str:
    """The server to log in to: the one named, else the one that runs here, else the one of the last login."""
    from cmdexec.client.access import RUNTIME_FILE, read_running
    from cmdexec.client.logins import read_login

    if caller.settings.server_url is not None:
        return caller.settings.server_url
    running = read_running(caller.settings.data_dir / RUNTIME_FILE)
    if running is not None:
        return running.url
    kept = read_login(caller.settings.login_file)
    if kept is not None:
        return kept.url
    raise Unavailable(
        "server_away", "No server is known.", field="--server",
        mend="Name it: `cmdexec login --server https://cmdexec.example.com`.",
    )  # fmt: skip


def _warn_of_what_is_in_clear(url: str) -> None:
    from urllib.parse import urlsplit

    from cmdexec.settings.shared_checks import is_loopback

    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        tell(f"Warning: what goes to {url} can be read on its way, the password too. Use https:// if that is there.")


def _asked_email() -> str:
    if not sys.stdin.isatty():
        raise Refused("invalid_field", "There is no terminal to ask on who logs in.", field="--email", mend="Name it.")
    typed: str = click.prompt("E-mail", err=True)
    return typed


def _say_who(kept: "Login", as_json: bool) -> None:
    from cmdexec.cli.worded import local

    if as_json:
        print_json({"url": kept.url, "email": kept.email, "role": kept.role, "expiresAt": kept.expires_at})
    else:
        until = local(kept.expires_at)
        tell(f"Logged in to {kept.url} as {kept.email} ({kept.role})" + (f" until {until}." if until else "."))


@click.command()
@json_option("Print one JSON object: the server, null if nobody was logged in, and whether it was told.")
@calls_server
def logout(caller: Caller, as_json: bool) -> None:
    """End the login that is kept, here and on its server.

    Example: `cmdexec logout`
    """
    from cmdexec.client import Access
    from cmdexec.client.logins import forget_login, read_login

    path = caller.settings.login_file
    try:
        kept = read_login(path)
    except CmdexecError as wrong:
        if wrong.code != "bad_data_dir":
            raise
        kept = None  # nothing that could be ended on a server
    if kept is None:
        forget_login(path)
        _say_left(None, None, as_json)
        return

    async def log_out(client: "Client") -> None:
        await client.logout()

    forget_login(path)
    failed = None
    try:
        caller.call(log_out, lambda: Access(kept.url, kept.token))
    except CmdexecError as wrong:
        failed = None if wrong.code == "unauthorized" else wrong  # that login is over already
    _say_left(kept.url, failed, as_json)


def _say_left(url: str | None, failed: CmdexecError | None, as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "told": url is not None and failed is None})
    elif url is None:
        tell("Nobody is logged in.")
    elif failed is not None:
        tell(f"The login is forgotten here; its server was not told, so its token stays good for its time. {failed}")
    else:
        tell(f"Logged out of {url}.")


@click.command()
@json_option(ONE_JSON)
@calls_server
def whoami(caller: Caller, as_json: bool) -> None:
    """Say which server is called, as whom, and what that allows. One that is away is not waited for.

    Example: `cmdexec whoami`
    """

    async def ask(client: "Client") -> "MeView":
        return await client.me(patient=False)

    try:
        me = caller.call(ask)
    except Unavailable:
        if caller.access is not None and not as_json:
            _print_facts(_known(caller, caller.access))
        raise
    access = caller.access
    url, source = ("", "") if access is None else (access.url, access.source)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(me) | {"url": url, "source": source})
        return
    _print_facts(_facts(me, url, source))


def _print_facts(facts: "Iterator[Fact]") -> None:
    from cmdexec.cli.colour import in_colour
    from cmdexec.cli.facts import fact_lines

    print_lines(fact_lines(facts, width(), colour=in_colour(sys.stdout)))


def _known(caller: Caller, access: "Access") -> "Iterator[Fact]":
    """What is known here of a server that does not answer."""
    from cmdexec.cli.worded import local
    from cmdexec.client.logins import read_login

    kept = read_login(caller.settings.login_file) if access.source == "login" else None
    if kept is not None and kept.email:
        yield "User", f"{kept.email} ({kept.role})" if kept.role else kept.email, None
    yield "Server", f"{access.url}, which does not answer", None
    yield "Known by", _SOURCES.get(access.source, access.source), None
    if kept is not None and kept.expires_at:
        yield "Until", local(kept.expires_at), None


def _facts(me: "MeView", url: str, source: str) -> "Iterator[Fact]":
    from cmdexec.cli.worded import local

    yield "User", f"{me.user.email} ({me.user.role})", None
    yield "Server", f"{url}, cmdexec {me.server_version}", None
    yield "Known by", _SOURCES.get(source, source), None
    yield "Until", local(me.expires_at), None
    yield "May", ", ".join(me.permissions), None
