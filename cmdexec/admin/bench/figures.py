"""Figures: measured, set against their floors, judged."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cmdexec.admin.bench.targets import TARGETS


@dataclass(frozen=True, slots=True)
class Figure:
    """`floor`: what it is set against, in the same unit; None where the figure stands for itself.

    `ratio`: where it is not simply value / floor, as with the median of pairs.
    """

    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None

    @property
    def to_floor(self) -> float | None:
        """How the value stands to its floor."""
        if self.ratio is not None or not self.floor:
            return self.ratio
        return self.value / self.floor


@dataclass(frozen=True, slots=True)
class Measured:
    """One workload. `about`: what it was measured with; `pairs`: the single runs; `notes`: sentences for people."""

    figures: Mapping[str, Figure]
    about: Mapping[str, Any] = field(default_factory=dict)
    pairs: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = ()


def judged(workload: str, measured: Measured) -> dict[str, Any]:
    """A workload as `--json` tells it: its first figure, whether all of them are as they must be, then each by name."""
    figures = {name: _judged(workload, name, figure) for name, figure in measured.figures.items()}
    first = next(iter(TARGETS[workload]))
    told: dict[str, Any] = figures[first] | {"ok": all(one["ok"] for one in figures.values())}
    return told | {
        "figures": figures, "about": dict(measured.about), "pairs": [dict(pair) for pair in measured.pairs],
        "notes": list(measured.notes),
    }  # fmt: skip


def _judged(workload: str, name: str, figure: Figure) -> dict[str, Any]:
    target = TARGETS[workload][name]
    ratio = figure.to_floor
    value = ratio if target.judged == "ratio" else figure.value
    if value is None:
        raise ValueError(f"{workload} {name} is judged by a ratio and has no floor")
    return {
        "value": _rounded(figure.value), "unit": figure.unit,
        "floor": None if figure.floor is None else _rounded(figure.floor),
        "ratio": None if ratio is None else _rounded(ratio),
        "must": target.must, "aim": target.aim, "at_most": target.at_most, "judged": target.judged,
        "ok": target.met(value),
    }  # fmt: skip


def _rounded(value: float) -> float:
    """To five significant digits: more would be noise."""
    if not value or not math.isfinite(value):
        return value
    return round(value, 4 - math.floor(math.log10(abs(value))))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not under `share` of all of them (nearest rank). Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def medians(pairs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure by itself."""
    return {name: statistics.median(pair[name] for pair in pairs) for name in pairs[0]}
