"""The entry of the command line: which commands there are, and how any failure is told."""

import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from cmdexec.cli.groups import WHOLE, no_such
from cmdexec.cli.narrow import Formatter
from cmdexec.cli.outcome import CANCELLED, NOBODY_READS, OWN_FAILURE
from cmdexec.cli.told import tell, tell_error
from cmdexec.errors import CmdexecError
from cmdexec.version import __version__

COMMANDS = {
    "run": "cmdexec.cli.run:run",
    "attach": "cmdexec.cli.attach:attach",
    "submit": "cmdexec.cli.submit:submit",
    "jobs": "cmdexec.cli.jobs:jobs",
    "show": "cmdexec.cli.show:show",
    "logs": "cmdexec.cli.logs:logs",
    "cancel": "cmdexec.cli.cancel:cancel",
    "rerun": "cmdexec.cli.cancel:rerun",
    "requeue": "cmdexec.cli.cancel:requeue",
    "serve": "cmdexec.cli.serve:serve",
    "worker": "cmdexec.cli.worker:worker",
    "bench": "cmdexec.cli.bench:bench",
    "doctor": "cmdexec.cli.doctor:doctor",
    "workers": "cmdexec.cli.workers:workers",
    "join-token": "cmdexec.cli.join_token:join_token",
    "users": "cmdexec.cli.users:users",
    "login": "cmdexec.cli.login:login",
    "logout": "cmdexec.cli.login:logout",
    "whoami": "cmdexec.cli.login:whoami",
    "help": "cmdexec.cli.help:help_on",
    "completion": "cmdexec.cli.completion:completion",
}
"""Name → where it stands; imported when it is asked for."""

SECTIONS = {
    "Jobs": ("run", "attach", "submit", "jobs", "show", "logs", "cancel", "rerun", "requeue"),
    "Servers and workers": ("serve", "worker", "workers", "join-token", "bench", "doctor"),
    "Who may do what": ("login", "logout", "whoami", "users"),
    "This program": ("help", "completion"),
}
"""How `--help` puts the commands together."""

FAILED = {"run": OWN_FAILURE, "attach": OWN_FAILURE}
"""What a command ends with when cmdexec itself fails; 1 for all others, 2 when it was written wrongly."""


_LIBRARY_LEAST = 53
_NARROWEST = 20


click.Context.formatter_class = Formatter  # of all commands, of whichever class


class Commands(click.Group):
    """The commands by name; a wrong name suggests the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, one.get_short_help_str(WHOLE)) for name, one in commands if one is not None]
            with formatter.section(title):
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            return None
        if ctx.resilient_parsing:  # a shell asks how this goes on
            from cmdexec.cli.completing import completing

            completing(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS:
            raise click.UsageError(no_such(name, name, list(COMMANDS)), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cmdexec", message="%(prog)s %(version)s")
@click.pass_context
def cmdexec(ctx: click.Context) -> None:
    """Submit a command here, run it there, and lose nothing about it."""
    if ctx.invoked_subcommand is None:
        from cmdexec.cli.newcomer import next_steps
        from cmdexec.cli.printed import on_terminal, print_lines, width

        print_lines(next_steps(width()) if on_terminal() else next_steps())


def command_line(arguments: Sequence[str]) -> int:
    """The code that the process shall end with; every failure has been told by then."""
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    failed = FAILED.get(name, 1)
    try:
        code = cmdexec.main(list(arguments), prog_name="cmdexec", standalone_mode=False, **_narrow())
    except click.UsageError as wrong:
        tell(f"{_sentence(wrong.format_message())}{_hint(wrong, arguments)}")
        return FAILED.get(name, wrong.exit_code)
    except click.ClickException as wrong:
        tell(wrong.format_message())
        return failed
    except (click.Abort, KeyboardInterrupt):
        return CANCELLED
    except SystemExit:  # which click raises where nobody reads what it prints
        return NOBODY_READS
    except CmdexecError as wrong:
        tell_error(wrong)
        return failed
    except Exception as wrong:
        if not isinstance(wrong, OSError) or _takes_output():
            tell_error(_unforeseen(wrong))
        return failed
    return code if isinstance(code, int) else 0


def _narrow() -> dict[str, Any]:
    """How wide help may be where the library would write it wider than the terminal is."""
    columns = shutil.get_terminal_size().columns
    return {"terminal_width": max(columns - 1, _NARROWEST)} if columns < _LIBRARY_LEAST else {}


def _takes_output() -> bool:
    """Whether standard output can be written; where it cannot, the end of the process tells of that."""
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return getattr(getattr(sys.stdout.buffer, "raw", None), "failed", None) is None


def _sentence(text: str) -> str:
    """The library's messages for people, some of which are lists, or end without a full stop."""
    text = text.replace("\n\t", " ")
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _hint(wrong: click.UsageError, arguments: Sequence[str]) -> str:
    """Where to read on; the library does not always know of which command it complains."""
    path = _path(arguments) if wrong.ctx is None else wrong.ctx.command_path
    return f" `{path} --help` shows what there is."


def _path(arguments: Sequence[str]) -> str:
    """As far as `arguments` name commands."""
    path, command = "cmdexec", click.Context(cmdexec).command
    for word in arguments:
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if found is None:
            break
        path, command = f"{path} {word}", found
    return path


def _unforeseen(wrong: BaseException) -> CmdexecError:
    """A fault of ours, as one sentence that says where it happened."""
    if isinstance(wrong, BaseExceptionGroup):
        return _unforeseen(wrong.exceptions[0])
    if isinstance(wrong, CmdexecError):
        return wrong
    place, trace = "", wrong.__traceback__
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return CmdexecError(
        "internal", f"This is a fault of cmdexec: {type(wrong).__name__} at {place}.",
        mend=f"Please report it, with what you did and the version, {__version__}.",
    )  # fmt: skip
