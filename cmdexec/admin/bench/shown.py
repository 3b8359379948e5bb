"""What people see of the figures: a table, or where the terminal is narrow a block for each workload."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from cmdexec.admin.bench.registry import BY_NAME
from cmdexec.admin.bench.targets import TARGETS, Target

_TABLE_WIDTH = 104
_HEAD = ("", "figure", "value", "floor", "ratio", "must", "aim", "")
_WIDTHS = (3, 46, 17, 8, 7, 6, 6, 4)
_LEFT = 2
"""The first columns are words."""


def table(told: Mapping[str, Mapping[str, Any]], width: int) -> str:
    """All figures with what is expected of them; no line is longer than `width`, if that is at least 40."""
    lines = list(_wide(told) if width >= _TABLE_WIDTH else _narrow(told, width))
    for name, workload in told.items():
        for note in workload["notes"]:
            lines += textwrap.wrap(f"{name}: {note}", max(40, width), subsequent_indent="  ")
    return "\n".join(lines)


def _wide(told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield _row(_HEAD)
    for name, workload in told.items():
        for number, (figure, one) in enumerate(workload["figures"].items()):
            yield _row((name if number == 0 else "", TARGETS[name][figure].says, *_cells(TARGETS[name][figure], one)))


def _row(cells: tuple[str, ...]) -> str:
    laid = [
        cell.ljust(width) if column < _LEFT else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return " ".join(laid).rstrip()


def _narrow(told: Mapping[str, Mapping[str, Any]], width: int) -> Iterator[str]:
    for name, workload in told.items():
        yield f"{name} {BY_NAME[name].title}"
        for figure, one in workload["figures"].items():
            target = TARGETS[name][figure]
            value, floor, ratio, must, aim, verdict = _cells(target, one)
            yield from textwrap.wrap(target.says, max(40, width), initial_indent="  ", subsequent_indent="  ")
            said = [f"{value}", floor and f"floor {floor}", ratio and f"ratio {ratio}", must and f"must {must}"]
            said += [aim and f"aim {aim}", verdict]
            yield from textwrap.wrap(
                ", ".join(filter(None, said)), max(40, width), initial_indent="    ", subsequent_indent="    "
            )


def _cells(target: Target, one: Mapping[str, Any]) -> tuple[str, ...]:
    sign = "≤" if target.at_most else "≥"
    value = f"{_number(one['value'])} {one['unit']}"
    floor = "" if one["floor"] is None else _number(one["floor"])
    ratio = "" if one["ratio"] is None else f"{one['ratio']:.{target.digits}f}"
    must = "" if target.must is None else f"{sign}{target.must:g}"
    aim = "" if target.aim is None else f"{sign}{target.aim:g}"
    return value, floor, ratio, must, aim, "ok" if one["ok"] else "MISS"


def _number(value: float) -> str:
    """Three digits that count, more only before the point."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
