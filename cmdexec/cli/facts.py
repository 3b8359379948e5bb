"""Facts about one thing, as lines: what it is about, then what is so, within the width of the terminal."""

import textwrap
from collections.abc import Iterable, Iterator

from cmdexec.cli.colour import BOLD, painted
from cmdexec.cli.told import printable

_LABEL = 10
_VALUE_LEAST = 20

Fact = tuple[str, str, str | None]
"""A label, what is so, and a style. One without a label belongs to the one before."""


def fact_lines(facts: Iterable[Fact], width: int, *, colour: bool) -> Iterator[str]:
    """The lines; an id is never cut."""
    room = max(width - _LABEL - 1, _VALUE_LEAST)
    for label, value, style in facts:
        pieces = textwrap.wrap(printable(value), room, break_on_hyphens=False, break_long_words=False) or [""]
        for place, piece in enumerate(pieces):
            head = f"{label if place == 0 else '':<{_LABEL}} "
            head = painted(head, BOLD) if colour and label and place == 0 else head
            yield (head + (painted(piece, style) if colour else piece)).rstrip()
