"""`cmdexec completion`: what a shell needs to complete commands and options."""

import click

from cmdexec.cli.printed import print_lines

VARIABLE = "_CMDEXEC_COMPLETE"

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options and their choices when Tab is pressed.

    For bash, write `eval "$(cmdexec completion bash)"` into ~/.bashrc; for zsh, the same with zsh into ~/.zshrc; for
    fish, `cmdexec completion fish | source` into ~/.config/fish/config.fish.

    Example: `cmdexec completion bash`
    """
    from click.shell_completion import get_completion_class

    from cmdexec.cli.main import cmdexec

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"{shell!r} is no shell that is known here.")
    print_lines(kind(cmdexec, {}, "cmdexec", VARIABLE).source().rstrip("\n").split("\n"))
