"""Classes of queued jobs: all jobs of a class need the same, so the same workers match them."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from cmdexec.model.matching import Needs


class ClassRow(msgspec.Struct, frozen=True):
    """A class that has queued jobs: what it needs, how many there are (counting may stop at 10,000), and the rank of
    the first of them."""

    klass: str
    needs: Needs
    jobs: int
    rank: int


class Classes(Protocol):
    """What waits, class by class, without a walk through the jobs themselves. A class without queued jobs is not
    there."""

    async def get(self, klasses: Sequence[str]) -> list[ClassRow | None]:
        """In the order asked; None: it has no queued jobs."""
        ...

    async def all(self, after: str = "", limit: int = 1000) -> list[ClassRow]:
        """By class, beginning after `after`; the class "" of jobs that need nothing is in no list."""
        ...

    async def fronts(self, klasses: Sequence[str], limit: int) -> list[tuple[str, ...]]:
        """The ids of the first `limit` queued jobs of each of these, in the order asked."""
        ...
