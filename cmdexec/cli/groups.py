"""Commands that have commands of their own: alone they list what there is."""

from difflib import get_close_matches

import click

LIST = "list"


WHOLE = 200
"""So much of a first sentence is always all of it."""

_REMOVING = frozenset({"remove", "rm", "delete", "del"})
_FOR_GOOD = ("revoke", "disable")
"""What is there instead: who was there is known for ever."""


class Listed(click.Group):
    """`workers --json` is `workers list --json`; a wrong name suggests the nearest, or what does that."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(WHOLE)) for name, one in sorted(self.commands.items())])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        if options and not ctx.resilient_parsing:  # resilient: a shell asks how this goes on
            if late := [one for one in args if one in self.commands]:
                raise click.UsageError(f"Write the options behind `{late[0]}`: `{ctx.command_path} {late[0]} …`.", ctx)
            args = [LIST, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            meant = [one for one in _FOR_GOOD if one in self.commands] if args[0] in _REMOVING else []
            commands = meant or list(self.commands)
            raise click.UsageError(no_such(f"{ctx.info_name} {args[0]}", meant[0] if meant else args[0], commands), ctx)
        return super().resolve_command(ctx, args)


def no_such(asked: str, name: str, commands: list[str]) -> str:
    """That there is no command `asked`, and which may be meant."""
    near = get_close_matches(name, commands, 1)
    meant = f" Did you mean `{near[0]}`?" if near else f" There are: {', '.join(commands)}."
    return f"There is no command `{asked}`.{meant}"
