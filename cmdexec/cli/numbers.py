"""Whole numbers as options take them."""

from typing import Any

import click


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
