"""`--print-config`: the settings that count, and where each is from."""

import sys
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import click

from cmdexec.cli.colour import BOLD, DIM, in_colour, painted
from cmdexec.cli.columns import Cell, Column, tabbed, table, width_of
from cmdexec.cli.printed import on_terminal, print_json, print_lines, width
from cmdexec.cli.told import printable
from cmdexec.settings.load import Loaded, Row

_COLUMNS = (Column("SETTING"), Column("VALUE"), Column("FROM"))
_UNBOUNDED = 1 << 20


PRINT_CONFIG = click.option(
    "--print-config",
    is_flag=True,
    help="Start nothing: print each setting, its value, and where that is from. Secrets are not shown.",
)
CONFIG_JSON = click.option(
    "--json", "as_json", is_flag=True, help="With --print-config: one JSON object for each setting."
)


def print_settings(*loaded: Loaded[Any], as_json: bool) -> None:
    """A line for each setting, in the order in which they are declared, one side after the other; no line holds a
    secret."""
    for one in loaded:
        side, rows = one.settings.side, one.describe()
        if as_json:
            print_json(*({"name": row.name, "value": row.shown, "from": row.origin, "side": side} for row in rows))
        elif on_terminal():
            if len(loaded) > 1:
                print_lines([f"Of the {side}:", ""] if one is loaded[0] else ["", f"Of the {side}:", ""])
            _print_for_people(rows)
        else:
            print_lines(tabbed([[*_cells(row), Cell(side)] for row in rows]))


def _cells(row: Row) -> list[Cell]:
    return [Cell(row.name), Cell(row.shown), Cell(row.origin, style=DIM)]


def _print_for_people(rows: Sequence[Row]) -> None:
    cells = [_cells(row) for row in rows]
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
