"""What cannot be undone is asked about first."""

import sys

import click

from cmdexec.cli.exits import FAILED
from cmdexec.cli.told import tell


def confirm(question: str) -> None:
    """Go on only if a person says yes. Raises click's UsageError where nobody can be asked, Exit for a no."""
    if not sys.stdin.isatty():
        raise click.UsageError("This cannot be undone, and there is no terminal to ask on. Add --yes.")
    if not click.confirm(question, err=True):
        tell("Nothing was done.")
        raise click.exceptions.Exit(FAILED)
