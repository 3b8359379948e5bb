"""`docs/cli.md`, made from the commands: `python -m cmdexec.cli.document > docs/cli.md`."""

import inspect
import sys

import click

from cmdexec.cli.main import COMMANDS, cmdexec
from cmdexec.cli.outcome import CODES

_START = """\
# The command line

<!-- Made by `python -m cmdexec.cli.document > docs/cli.md`; edit the commands, not this file. -->

`cmdexec COMMAND --help` shows the same for one command. An option that names a setting in brackets may be given as a
variable of the environment too; [settings.md](settings.md) says where else. What cmdexec itself has to say goes to
standard error, each line marked with `cmdexec:`, in colour on a terminal unless `NO_COLOR` is set.
"""


def command_page() -> str:
    """The whole page."""
    parts = [_START]
    context = click.Context(cmdexec, info_name="cmdexec")
    for name in COMMANDS:
        command = cmdexec.get_command(context, name)
        if command is not None:
            parts.append(_section(name, command))
    return "\n".join(parts)


def _section(name: str, command: click.Command) -> str:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    words = [str(one.metavar) for one in command.params if isinstance(one, click.Argument)]
    lines = [f"## `{' '.join(['cmdexec', name, '[OPTIONS]', *words])}`\n", inspect.cleandoc(command.help or ""), ""]
    lines += [_entry(option) for option in options]
    if name == "run":
        lines += ["", "How it ends:", "", *_codes()]
    return "\n".join([*lines, ""])


def _entry(option: click.Option) -> str:
    names = [*option.opts, *option.secondary_opts]
    shown = ", ".join(f"`{one} {option.metavar}`" if option.metavar else f"`{one}`" for one in names)
    return f"- {shown}: {option.help}"


def _codes() -> list[str]:
    return ["| code | when |", "| --- | --- |", *(f"| {code} | {when} |" for code, when in CODES)]


if __name__ == "__main__":
    sys.stdout.write(command_page())
