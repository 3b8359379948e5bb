"""`--print-config`: the settings that count, and where each is from."""

import sys
from typing import Any

from cmdexec.cli.colour import DIM, in_colour
from cmdexec.cli.columns import Cell, Column, tabbed, table
from cmdexec.cli.printed import on_terminal, print_json, print_lines, width
from cmdexec.settings.load import Loaded

_COLUMNS = (Column("SETTING"), Column("VALUE", least=12), Column("FROM", least=12, drop=1))


def print_settings(loaded: Loaded[Any], *, as_json: bool) -> None:
    """A line for each setting, in the order in which they are declared; no line holds a secret."""
    rows = loaded.describe()
    if as_json:
        print_json(*({"name": row.name, "value": row.shown, "from": row.origin} for row in rows))
        return
    cells = [[Cell(row.name), Cell(row.shown), Cell(row.origin, style=DIM)] for row in rows]
    print_lines(
        table(_COLUMNS, cells, width(), colour=in_colour(sys.stdout)) if on_terminal() else tabbed(cells)
    )  # fmt: skip
