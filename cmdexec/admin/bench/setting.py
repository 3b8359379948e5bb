"""What a workload is given: how much to measure, and the means to start what is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from cmdexec.runtime import Runtime

T = TypeVar("T")


class Lifeline(Protocol):
    """What processes hang on: they end when it is let go, also by the death of this process."""

    path: Path

    def let_go(self) -> None: ...

    def anybody(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    folder   where data folders are made: a disk whose flushes are real
    pairs    runs of a workload, each between two floors
    slots    how many short jobs run at once, in W1, W4 and W9
    quick    little of everything: it shows that all of it works, and its figures mean nothing
    full     ten times as many jobs and workers where the table says so
    """

    folder: Path
    pairs: int = 7
    slots: int = 16
    quick: bool = False
    full: bool = False

    def size(self, normal: int, *, quick: int, full: int | None = None) -> int:
        """How many."""
        if self.quick:
            return quick
        return full if self.full and full is not None else normal


@dataclass(frozen=True, slots=True)
class Bench:
    """`myself`: the command line of another process of cmdexec. `say`: tell the person how far it is.

    `rates`: what workloads have found out that later ones are set against.
    """

    plan: Plan
    runtime: Runtime
    myself: Callable[..., Sequence[str]]
    lifeline: Callable[[Path], Lifeline]
    say: Callable[[str], None]
    rates: dict[str, float] = field(default_factory=dict)

    async def blocking(self, call: Callable[[], T]) -> T:
        """Run it beside the event loop."""
        return await self.runtime.threads.run(call)
