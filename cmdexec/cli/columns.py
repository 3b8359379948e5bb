"""Lists as columns. On a terminal they fit its width; elsewhere each row is a line of whole values with tabs between
them and no heading, which never depends on width, clock or language."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cmdexec.cli.colour import BOLD, painted
from cmdexec.cli.told import printable

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    least   how narrow it may become; None: never narrower than its widest cell, as an id
    good    how narrow it may become before others are left out for it; None: as `least`
    drop    columns are left out where there is no room, the highest first; 0: never
    """

    title: str
    least: int | None = None
    good: int | None = None
    drop: int = 0

    def narrow(self, natural: int, *, good: bool) -> int:
        """How wide it is at least, if it would be `natural`."""
        least = self.good if good and self.good is not None else self.least
        return natural if least is None else min(natural, least)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a person sees, what a program gets (None: the same), and a style."""

    shown: str
    raw: str | None = None
    style: str | None = None


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int, *, colour: bool) -> list[str]:
    """The lines for a terminal of `width` columns, a heading first."""
    cells = [[printable(cell.shown) for cell in row] for row in rows]
    kept, widths = _laid_out(columns, cells, width)
    lines = [_line([columns[at].title for at in kept], widths, [BOLD] * len(kept) if colour else None)]
    for row, texts in zip(rows, cells, strict=True):
        styles = [row[at].style for at in kept] if colour else None
        lines.append(_line([texts[at] for at in kept], widths, styles))
    return lines


def tabbed(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The lines for programs; what would break a line or a column is escaped."""
    return ["\t".join(printable(cell.shown if cell.raw is None else cell.raw) for cell in row) for row in rows]


def _laid_out(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide each is."""
    natural = [max(map(width_of, (column.title, *(row[at] for row in cells)))) for at, column in enumerate(columns)]
    kept = list(range(len(columns)))
    while True:
        room = width - GAP * (len(kept) - 1)
        droppable = [at for at in kept if columns[at].drop]
        if sum(columns[at].narrow(natural[at], good=True) for at in kept) <= room or not droppable:
            break
        kept.remove(max(droppable, key=lambda at: columns[at].drop))
    least = [columns[at].narrow(natural[at], good=False) for at in kept]
    spare = max(0, room - sum(least))
    widths = []
    for at, narrow in zip(kept, least, strict=True):
        more = min(spare, natural[at] - narrow)
        spare -= more
        widths.append(narrow + more)
    return kept, widths


def _line(texts: Sequence[str], widths: Sequence[int], styles: Sequence[str | None] | None) -> str:
    parts = []
    for place, (text, room) in enumerate(zip(texts, widths, strict=True)):
        fitting = cut(text, room)
        padding = " " * (room - width_of(fitting) + GAP) if place < len(texts) - 1 else ""
        parts.append((painted(fitting, styles[place]) if styles else fitting) + padding)
    return "".join(parts).rstrip()


def cut(text: str, room: int) -> str:
    """`text` in at most `room` columns, with `…` where it was cut."""
    if width_of(text) <= room:
        return text
    taken, used = [], 0
    for character in text:
        used += width_of(character)
        if used > room - 1:
            break
        taken.append(character)
    return "".join(taken) + "…"


def width_of(text: str) -> int:
    """The columns that a terminal gives to it."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )
