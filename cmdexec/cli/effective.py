"""`--print-config`: the settings that count, and where each is from."""

import sys
from textwrap import wrap
from typing import Any

from cmdexec.cli.colour import BOLD, DIM, in_colour, painted
from cmdexec.cli.columns import Cell, Column, tabbed, table, width_of
from cmdexec.cli.printed import on_terminal, print_json, print_lines, width
from cmdexec.cli.told import printable
from cmdexec.settings.load import Loaded

_COLUMNS = (Column("SETTING"), Column("VALUE"), Column("FROM"))
_UNBOUNDED = 1 << 20


def print_settings(loaded: Loaded[Any], *, as_json: bool) -> None:
    """A line for each setting, in the order in which they are declared; no line holds a secret."""
    rows = loaded.describe()
    if as_json:
        print_json(*({"name": row.name, "value": row.shown, "from": row.origin} for row in rows))
        return
    cells = [[Cell(row.name), Cell(row.shown), Cell(row.origin, style=DIM)] for row in rows]
    if not on_terminal():
        print_lines(tabbed(cells))
        return
    colour = in_colour(sys.stdout)
    lines = table(_COLUMNS, cells, _UNBOUNDED, colour=False)
    if max(map(width_of, lines)) <= width():
        print_lines(table(_COLUMNS, cells, width(), colour=colour))
        return
    for row in rows:  # no part of a value is left out: it may be what is wrong
        print_lines([painted(row.name, BOLD) if colour else row.name])
        print_lines(_indented(row.shown))
        print_lines(painted(line, DIM) if colour else line for line in _indented(f"from {row.origin}"))


def _indented(text: str) -> list[str]:
    return wrap(printable(text), width(), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
