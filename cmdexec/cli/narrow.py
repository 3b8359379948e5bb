"""Help on a terminal that is too narrow for two columns."""

from collections.abc import Iterable

import click
from click.formatting import wrap_text

_TWO_COLUMNS = 60
"""The least width at which options and what is said of them fit beside each other."""

_INDENT = 4


class Formatter(click.HelpFormatter):
    """As the library's, but where there is little room each option stands alone on its line, and its text below it."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        if self.width >= _TWO_COLUMNS:
            super().write_dl(rows, col_max, col_spacing)
            return
        begin, deeper = " " * self.current_indent, " " * (self.current_indent + _INDENT)
        for name, said in rows:
            self.write(f"{wrap_text(name, self.width, begin, deeper)}\n")
            if said:
                self.write(f"{wrap_text(said, self.width, deeper, deeper)}\n")
