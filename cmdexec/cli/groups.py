"""Commands that have commands of their own: alone they list what there is."""

from difflib import get_close_matches

import click

LIST = "list"


class Listed(click.Group):
    """`workers --json` is `workers list --json`; a wrong name suggests the nearest."""

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
            raise click.UsageError(no_such(f"{ctx.info_name} {args[0]}", args[0], list(self.commands)), ctx)
        return super().resolve_command(ctx, args)


def no_such(asked: str, name: str, commands: list[str]) -> str:
    """That there is no command `asked`, and which may be meant."""
    near = get_close_matches(name, commands, 1)
    meant = f" Did you mean `{near[0]}`?" if near else f" There are: {', '.join(commands)}."
    return f"There is no command `{asked}`.{meant}"
