"""`cmdexec help`: what `--help` shows, for those who look for it under this name."""

import click

from cmdexec.cli.groups import no_such


@click.command("help")
@click.argument("names", metavar="[COMMAND...]", nargs=-1)
@click.pass_context
def help_on(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show what there is, or all about a command.

    Example: `cmdexec help workers drain`
    """
    context = ctx.find_root()
    for name in names:
        group = context.command
        command = group.get_command(context, name) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(no_such(" ".join(names), name, _known(context)), context)
        context = click.Context(command, context, name)
    click.echo(context.get_help())


def _known(context: click.Context) -> list[str]:
    return context.command.list_commands(context) if isinstance(context.command, click.Group) else []
