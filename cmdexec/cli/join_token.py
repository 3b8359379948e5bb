"""`cmdexec join-token`: what another machine needs to become a worker."""

import sys
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import LINES_JSON, ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.colour import DIM, in_colour
from cmdexec.cli.columns import Cell, Column, tabbed, table
from cmdexec.cli.facts import Fact, fact_lines
from cmdexec.cli.groups import LIST, Listed
from cmdexec.cli.numbers import Whole, Written
from cmdexec.cli.printed import on_terminal, or_told, print_json, print_lines, width
from cmdexec.cli.told import tell
from cmdexec.settings.declare import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdexec.client import Client
    from cmdexec.clock import Millis
    from cmdexec.protocol.accounts import JoinTokenView
    from cmdexec.protocol.requests import WorkerView

_DAY = 86400
_EXPIRES = Written(Kind.DURATION, 1, 366 * _DAY)

_COLUMNS = (
    Column("ID"), Column("STATE"), Column("USED"), Column("EXPIRES", drop=1), Column("NAME", least=8, drop=2),
    Column("LABELS", least=8, drop=3),
)  # fmt: skip


@click.group("join-token", cls=Listed)
def join_token() -> None:
    """List the tokens with which machines become workers, make and revoke them.

    Example: `cmdexec join-token create`
    """


@join_token.command()
@click.option(
    "--uses",
    metavar="N",
    type=Whole(1, 100_000),
    default=1,
    help="How many machines may join with it. [default: 1]",
)
@click.option(
    "--expires",
    metavar="DURATION",
    type=_EXPIRES,
    default="1h",
    help="How long it is good: 10m, 24h, 7d. [default: 1h]",
)
@click.option(
    "--label",
    "-l",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    help="A label that each worker gets which joins with it. May be given several times.",
)
@click.option("--name", metavar="TEXT", help="What people call it.")
@json_option(ONE_JSON)
@calls_server
def create(caller: Caller, uses: int, expires: float, labels: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Make a token, print it, and say what to type on the other machine. It is shown this once.

    Example: `cmdexec join-token create --uses 10 --expires 24h --label site=attic`
    """
    from cmdexec.cli.asked_labels import pairs
    from cmdexec.protocol.accounts import NewJoinToken

    if name == "":
        raise click.BadParameter("It is empty. Write a name, or leave this out.", param_hint="--name")

    new = NewJoinToken(
        name=name, uses=uses, expires_sec=expires, labels=pairs(labels, "--label"),
    )  # fmt: skip

    async def made(client: "Client") -> "JoinTokenView":
        return await client.create_join_token(new)

    view = caller.call(made)
    with or_told(f"The token {view.join_token_id} is made: {view.token}"):
        if as_json:
            print_json(view)
            return
        print_lines([view.token or ""])
    _say_what_to_type(caller, view)


def _say_what_to_type(caller: Caller, view: "JoinTokenView") -> None:
    from urllib.parse import urlsplit

    from cmdexec.cli.worded import counted, local
    from cmdexec.settings.shared_checks import is_loopback

    url = _reached(caller)
    tell(f"Good for {counted(view.uses, 'machine')} until {local(view.expires_at)}. On the machine that joins:")
    tell(f"  cmdexec worker --headless --allow-host --server {url} --join {view.token}")
    if is_loopback(urlsplit(url).hostname or ""):
        tell("That address is of this machine alone; others need one at which they reach the server.")
    elif url.endswith("//NAME"):
        tell("Write the name of the proxy that is before the server in place of NAME.")


def _reached(caller: Caller) -> str:
    """The server as other machines reach it: one that runs here has written that down, if it listens to others."""
    from cmdexec.client.access import RUNTIME_FILE, read_running

    access = caller.access
    if access is None:
        return ""
    running = read_running(caller.settings.data_dir / RUNTIME_FILE) if access.source == RUNTIME_FILE else None
    return access.url if running is None else running.others_url or access.url


@join_token.command(LIST)
@click.option("--all", "-a", "all_of_them", is_flag=True, help="Also those that are used up, expired or revoked.")
@json_option(LINES_JSON)
@calls_server
def list_tokens(caller: Caller, all_of_them: bool, as_json: bool) -> None:
    """List the join tokens that are good, without what is secret of them.

    Not on a terminal each is a line with tabs between id, state, uses, how many are used, expiry, name and labels.

    Example: `cmdexec join-token list --all`
    """

    async def listed(client: "Client") -> "tuple[JoinTokenView, ...]":
        return await client.join_tokens()

    found = [one for one in caller.call(listed) if all_of_them or one.state == "good"]
    if as_json:
        print_json(*found)
        return
    from cmdexec.cli.naming import short

    now = caller.runtime.clock.now()
    if not on_terminal():
        print_lines(tabbed([_cells(one, now, apart=True) for one in found]))
    elif found:
        ids = [one.join_token_id for one in found]
        shown = _COLUMNS if all_of_them else tuple(one for one in _COLUMNS if one.title != "STATE")
        rows = [
            [Cell(short(ids[at], ids)), *_cells(one, now)[1 if all_of_them else 2 :]] for at, one in enumerate(found)
        ]
        print_lines(table(shown, rows, width(), colour=in_colour(sys.stdout)))
    else:
        tell("There are none. `cmdexec join-token create` makes one.")


def _cells(token: "JoinTokenView", now: "Millis", *, apart: bool = False) -> list[Cell]:
    from cmdexec.cli.described import STYLES
    from cmdexec.cli.worded import ago, millis

    used = [Cell(str(token.uses)), Cell(str(token.used))] if apart else [Cell(f"{token.used}/{token.uses}")]
    expires = millis(token.expires_at)
    return [
        Cell(token.join_token_id),
        Cell(token.state, style=STYLES.get(token.state)),
        *used,
        Cell("" if expires is None else ago(expires, now), token.expires_at, DIM),
        Cell(token.name or ""),
        Cell(",".join(f"{key}={value}" for key, value in token.labels.items())),
    ]


@join_token.command()
@click.argument("name", metavar="ID")
@json_option(ONE_JSON)
@calls_server
def show(caller: Caller, name: str, as_json: bool) -> None:
    """Show all about a token, and which workers joined with it. ID may be its beginning, or its name.

    Example: `cmdexec join-token show attic`
    """
    joined: dict[str, WorkerView] = {}

    async def found(client: "Client") -> "JoinTokenView":
        from cmdexec.cli.naming import find_join_token

        token = await find_join_token(client, name)
        if token.workers and not as_json:
            joined.update({one.worker_id: one for one in await client.workers()})
        return token

    token = caller.call(found)
    if as_json:
        print_json(token)
        return
    facts = list(_facts(token, joined, caller.runtime.clock.now()))
    print_lines(fact_lines(facts, width(), colour=in_colour(sys.stdout)))


def _facts(token: "JoinTokenView", joined: "dict[str, WorkerView]", now: "Millis") -> "Iterator[Fact]":
    from cmdexec.cli.described import STYLES
    from cmdexec.cli.worded import ago, local, millis

    yield "Token", token.join_token_id, None
    if token.name:
        yield "Name", token.name, None
    yield "State", token.state, STYLES.get(token.state)
    yield "Used", f"{token.used} of {token.uses}", None
    yield "Made", f"{local(token.created_at)}, by {token.created_by}", None
    expires = millis(token.expires_at)
    yield "Expires", local(token.expires_at) + ("" if expires is None else f", {ago(expires, now)}"), None
    for place, (key, value) in enumerate(token.labels.items()):
        yield "" if place else "Labels", f"{key}={value}", None
    for place, worker_id in enumerate(token.workers):
        worker = joined.get(worker_id)
        said = "has not come yet" if worker is None else f"{worker.name}, {worker.state}"
        yield "" if place else "Joined", f"{worker_id} ({said})", None
    if not token.workers:
        yield "Joined", "nobody", None


@join_token.command()
@click.argument("name", metavar="ID")
@json_option(ONE_JSON)
@calls_server
def revoke(caller: Caller, name: str, as_json: bool) -> None:
    """Let nobody join with a token any more; who has joined stays. ID may be its beginning, or its name.

    Example: `cmdexec join-token revoke 01936f0e`
    """

    async def revoked(client: "Client") -> "JoinTokenView":
        from cmdexec.cli.naming import find_join_token

        return await client.revoke_join_token((await find_join_token(client, name)).join_token_id)

    view = caller.call(revoked)
    if as_json:
        print_json(view)
    else:
        tell(f"Nobody joins with {view.join_token_id} any more.")
