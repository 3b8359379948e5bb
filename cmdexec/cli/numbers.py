"""Numbers as options take them: whole ones, and sizes and durations as settings are written."""

from typing import Any

import click

from cmdexec.settings.declare import Kind, Setting
from cmdexec.settings.parse import parse, wanted


class Whole(click.types.IntParamType):
    """A whole number of these bounds."""

    name = "whole number"

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click's BadParameter."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number. {self._rule()}", param, ctx)
        if not self._least <= number <= self._most:
            self.fail(f"{number} is out of bounds. {self._rule()}", param, ctx)
        return number

    def _rule(self) -> str:
        return f"Write one from {self._least} to {self._most:,}."


class Written(click.types.StringParamType):
    """A size in bytes (`64KiB`) or a duration in seconds (`24h`), of these bounds, which are inclusive."""

    name = "amount"

    def __init__(self, kind: Kind, least: float, most: float) -> None:
        unit = "bytes" if kind is Kind.SIZE else "s"
        self._as = Setting("", kind, None, "", frozenset(), unit=unit, minimum=least, maximum=most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An int of bytes, or a float of seconds. Raises click's BadParameter."""
        try:
            return parse(self._as, value)
        except ValueError as wrong:
            self.fail(f"{wrong} {wanted(self._as)}", param, ctx)


TAIL = Written(Kind.SIZE, 0, 1 << 50)
"""How much of what is there already."""
