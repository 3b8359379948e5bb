"""`cmdexec users`: who may do what on a server."""

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from cmdexec.cli.asked_password import new_password, own_passwords
from cmdexec.cli.caller import LINES_JSON, ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.colour import DIM, in_colour
from cmdexec.cli.columns import Cell, Column, tabbed, table
from cmdexec.cli.groups import LIST, Listed
from cmdexec.cli.printed import on_terminal, or_told, print_json, print_lines, width
from cmdexec.cli.told import tell

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.protocol.accounts import MeView, UserRowView

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_ROLES = ("viewer", "operator", "admin")
_ROLE = click.Choice(_ROLES)
_COLUMNS = (Column("EMAIL", least=12), Column("ROLE"), Column("STATE"), Column("SINCE", drop=1), Column("ID", drop=2))
_FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group(cls=Listed)
def users() -> None:
    """List the users, or add and change them: for admins. Everybody may change the password of their own.

    A viewer looks, an operator runs jobs as well, an admin sees to workers and users too.

    Example: `cmdexec users add ada@example.com --role operator`
    """


@users.command(LIST)
@json_option(LINES_JSON)
@calls_server
def list_users(caller: Caller, as_json: bool) -> None:
    """List the users, as `cmdexec users` does.

    Not on a terminal each user is a line with tabs between e-mail address, role, `enabled` or `disabled`, since when,
    and id.

    Example: `cmdexec users --json`
    """

    async def listed(client: "Client") -> "tuple[UserRowView, ...]":
        return await client.users()

    found = caller.call(listed)
    rows = [_cells(one) for one in found]
    if as_json:
        print_json(*found)
    elif on_terminal():
        print_lines(table(_COLUMNS, rows, width(), colour=in_colour(sys.stdout)))
    else:
        print_lines(tabbed(rows))


def _cells(user: "UserRowView") -> list[Cell]:
    from cmdexec.cli.worded import local

    return [
        Cell(user.email),
        Cell(user.role),
        Cell("disabled" if user.disabled else "enabled", style=DIM if user.disabled else None),
        Cell(local(user.created_at), user.created_at, DIM),
        Cell(user.user_id, style=DIM),
    ]


def _a(role: str) -> str:
    return f"{'a' if role == 'viewer' else 'an'} {role}"


@users.command()
@click.argument("email", metavar="EMAIL")
@click.option(
    "--role", metavar="ROLE", type=_ROLE, default="operator", help="viewer, operator or admin. [default: operator]"
)
@_FROM_STDIN
@json_option(ONE_JSON)
@calls_server
def add(caller: Caller, email: str, role: str, password_stdin: bool, as_json: bool) -> None:
    """Add a user. Without --password-stdin a password is made, and printed this once.

    Example: `cmdexec users add ada@example.com --role viewer`
    """
    from cmdexec.protocol.accounts import NewUser

    if _EMAIL.fullmatch(email) is None:
        raise click.BadParameter(
            f"{email!r} is no e-mail address. Write one such as ada@example.com.", param_hint="EMAIL"
        )
    password = new_password() if password_stdin else None

    async def added(client: "Client") -> "UserRowView":
        new = NewUser(email=email, role=role, password=password)  # type: ignore[arg-type]
        return await client.create_user(new)

    _print(caller.call(added), as_json, f"is {_a(role)} from now on.")


@users.command()
@click.argument("email", metavar="EMAIL")
@click.argument("new_role", metavar="ROLE", type=_ROLE)
@json_option(ONE_JSON)
@calls_server
def role(caller: Caller, email: str, new_role: str, as_json: bool) -> None:
    """Give a user another role: viewer, operator or admin. This ends the user's logins.

    Example: `cmdexec users role ada@example.com admin`
    """
    _changed(caller, email, as_json, f"is {_a(new_role)} from now on.", role=new_role)


@users.command()
@click.argument("email", metavar="[EMAIL]", required=False)
@_FROM_STDIN
@json_option(ONE_JSON)
@calls_server
def password(caller: Caller, email: str | None, password_stdin: bool, as_json: bool) -> None:
    """Give yourself another password, or as an admin the user whom EMAIL names.

    Your own is asked for on the terminal, with the one that you have now; --password-stdin reads both, a line each, the
    old one first. Your other logins end. Of another user, without --password-stdin, a password is made, and printed
    this once; the user's logins end.

    Example: `cmdexec users password`
    """
    if email is None:
        _change_own(caller, password_stdin, as_json)
        return
    change = {"password": new_password()} if password_stdin else {"new_password": True}
    _changed(caller, email, as_json, "has another password from now on.", **change)


def _change_own(caller: Caller, from_stdin: bool, as_json: bool) -> None:
    old, new = own_passwords(from_stdin=from_stdin)

    async def change_it(client: "Client") -> "MeView":
        await client.change_password(old, new)
        return await client.me()

    me = caller.call(change_it)
    if as_json:
        print_json(me.user)
    else:
        tell(f"{me.user.email} has another password from now on. This login goes on; all others of yours have ended.")


@users.command()
@click.argument("email", metavar="EMAIL")
@json_option(ONE_JSON)
@calls_server
def disable(caller: Caller, email: str, as_json: bool) -> None:
    """Shut a user out, at once.

    Example: `cmdexec users disable ada@example.com`
    """
    _changed(caller, email, as_json, "is shut out.", disabled=True)


@users.command()
@click.argument("email", metavar="EMAIL")
@json_option(ONE_JSON)
@calls_server
def enable(caller: Caller, email: str, as_json: bool) -> None:
    """Let a user in again.

    Example: `cmdexec users enable ada@example.com`
    """
    _changed(caller, email, as_json, "may log in again.", disabled=False)


def _changed(caller: Caller, email: str, as_json: bool, said: str, **change: Any) -> None:
    """Change the user of that address, and say `said` of it."""

    async def change_it(client: "Client") -> "UserRowView":
        from cmdexec.cli.naming import find_user
        from cmdexec.protocol.accounts import ChangeUser

        return await client.change_user(ChangeUser(user_id=await find_user(client, email), **change))

    _print(caller.call(change_it), as_json, said)


def _print(user: "UserRowView", as_json: bool, said: str) -> None:
    made = "" if user.password is None else f" The password is {user.password}"
    if as_json:
        with or_told(f"{user.email} {said}{made}"):
            print_json(user)
        return
    tell(f"{user.email} {said}")
    if user.password is not None:
        with or_told(made.lstrip()):
            print_lines([user.password])
        tell("That is the password. It is shown this once.")
