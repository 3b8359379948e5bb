"""What cannot be undone is asked about first."""

import sys

import click


def confirm(question: str) -> None:
    """Go on only if a person says yes. Raises click's UsageError where nobody can be asked, Abort for a no."""
    if not sys.stdin.isatty():
        raise click.UsageError("This cannot be undone, and there is no terminal to ask on. Add --yes.")
    click.confirm(question, abort=True, err=True)
