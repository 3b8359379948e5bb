"""`docs/cli.md`, made from the commands: `python -m cmdexec.cli.document > docs/cli.md`."""

import inspect
import sys
from collections.abc import Iterator, Sequence

import click

from cmdexec.cli import exits, outcome
from cmdexec.cli.caller import calls_server
from cmdexec.cli.main import FAILED, SECTIONS, cmdexec

_START = """\
# The command line

<!-- Made by `python -m cmdexec.cli.document > docs/cli.md`; edit the commands, not this file. -->

`cmdexec COMMAND --help` shows the same for one command. An option that names a setting in brackets may be given as a
variable of the environment too; [settings.md](settings.md) says where else.

**Which server.** `--server` or SERVER_URL, with CMDEXEC_TOKEN; what of these is missing comes from `cmdexec login`,
else from the server of this user that runs on this machine. A data folder named with `--data-dir` counts before the
login. `cmdexec whoami` says which it is. A server that is busy is waited for (PATIENCE_SEC), and one line says so;
one that is away too, if it is known to have been there: by a login, because it was killed and not stopped, or because
it has answered to the same command. One that was stopped is known no more, and that is said at once.

**What is printed.** What was asked for goes to standard output; what cmdexec itself has to say goes to standard error,
each line marked with `cmdexec:`. On a terminal lists are columns that fit its width (COLUMNS). Anywhere else each row
is one line of whole values with tabs between them, without a heading: ids in full, times as RFC 3339, durations in
seconds. With `--json` it is what the API has: one object on one line, and for lists one object a line, as `jq` reads
them. Colour is for terminals, unless NO_COLOR is set or TERM is `dumb`; CLICOLOR_FORCE=1 has it
elsewhere too, but never in the lines with tabs.

**Names.** A job is named by its id, by the beginning of it if no other begins so (as much as `cmdexec jobs` shows is
enough), by the end of it if it is a new one, by its name, exactly as it was given, which means the newest of that name
that one may see, or as `last`: the newest of one's own. A worker is named by its name, its id, or the beginning of one.

## Options of every command that calls a server

"""

_AND_SHARED = "- [those of every command that calls a server](#options-of-every-command-that-calls-a-server)"
_ENDS = "How it ends: see [below](#how-commands-end)."


def command_page() -> str:
    """The whole page."""
    parts = [_START + "\n".join(map(_entry, _shared())) + "\n"]
    context = click.Context(cmdexec, info_name="cmdexec")
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            command = cmdexec.get_command(context, name)
            if command is not None:
                parts += _sections(name, command)
    return "\n".join([*parts, *_endings()])


def _sections(name: str, command: click.Command) -> Iterator[str]:
    """The section of a command, and those of the commands that it has."""
    yield _section(name, command)
    if isinstance(command, click.Group):
        for under, one in sorted(command.commands.items()):
            yield _section(f"{name} {under}", one)


def _section(name: str, command: click.Command) -> str:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    words = [str(one.metavar) for one in command.params if isinstance(one, click.Argument)]
    words += ["COMMAND"] if isinstance(command, click.Group) else []
    usage = " ".join(["cmdexec", name, *(["[OPTIONS]"] if options else []), *words])
    lines = [f"### `{usage}`\n", inspect.cleandoc(command.help or ""), ""]
    shared = {option.name for option in _shared()}
    calls = shared <= {option.name for option in options} and name not in ("serve", "worker")
    lines += [_entry(option) for option in options if not calls or option.name not in shared]
    lines += [_AND_SHARED] if calls else []
    if command.epilog:
        lines += ["", _ENDS if name in FAILED else command.epilog]
    return "\n".join([*lines, ""])


def _shared() -> list[click.Option]:
    """The options by which a command finds its server."""

    @calls_server
    def command() -> None:
        """Nothing: it is there for its options."""

    found: list[click.Option] = command.__click_params__  # type: ignore[attr-defined]
    return found[::-1]


def _entry(option: click.Option) -> str:
    names = [*option.opts, *option.secondary_opts]
    shown = ", ".join(f"`{one} {option.metavar}`" if option.metavar else f"`{one}`" for one in names)
    return f"- {shown}: {option.help}"


def _endings() -> Iterator[str]:
    yield "## How commands end\n"
    yield f"{_listed(sorted(FAILED))} end as the job does:\n"
    yield from _codes(outcome.CODES)
    yield "\nAll others:\n"
    yield from _codes(exits.CODES)
    yield ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`cmdexec {name}`" for name in names)


def _codes(codes: Sequence[tuple[str, str]]) -> list[str]:
    return ["| code | when |", "| --- | --- |", *(f"| {code} | {when} |" for code, when in codes)]


if __name__ == "__main__":
    sys.stdout.write(command_page())
