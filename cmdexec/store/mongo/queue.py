"""Queued jobs in the order in which they are claimed, read no further than is needed."""

from collections.abc import Set as Several

import msgspec

from cmdexec.model.job import Status
from cmdexec.store.mongo.chunks import chunk
from cmdexec.store.mongo.connection import Connection, Document

_AT_ONCE = 100
"""Classes in one query: of so many indexes are merged in their order, of more all is read and sorted."""

_PAGE_MAX = 500
_ORDER = [("rank", 1), ("seq", 1)]
_FIELDS = ("rank", "seq", "klass", "avoid", "weight", "rev", "doc")


class Front(msgspec.Struct, frozen=True, gc=False, order=True):
    """A queued job, `doc` as it is stored."""

    rank: int
    seq: int
    job_id: str
    rev: int
    klass: str
    avoid: tuple[str, ...]
    weight: int
    doc: bytes


class Queue:
    """The queue of some classes. `fronts`: as far as it was read; `whole`: there are no more."""

    def __init__(
        self, connection: Connection, klasses: Several[str], most: int, *, but: str | None = None,
        after: Front | None = None,
    ) -> None:  # fmt: skip
        """`most`: jobs that are probably wanted; `but`: without those that avoid this worker; `after`: from there."""
        self._connection = connection
        self._klasses = sorted(klasses)
        self._but = but
        self._after = after
        self._page = max(1, min(most, _PAGE_MAX))
        self.fronts: list[Front] = []
        self.whole = not klasses or most <= 0

    def beyond(self, klasses: Several[str], but: str) -> "Queue":
        """The rest of it, of some of its classes, and without those that avoid that worker."""
        return Queue(self._connection, klasses, self._page, but=but, after=self._last)

    @property
    def _last(self) -> Front | None:
        return self.fronts[-1] if self.fronts else self._after

    async def read_on(self) -> bool:
        """Read some more; False if there are no more."""
        if self.whole:
            return False
        found: list[Front] = []
        cut: list[Front] = []
        for start in range(0, len(self._klasses), _AT_ONCE):
            part, whole = await self._read(self._klasses[start : start + _AT_ONCE])
            found += part
            if not whole:
                cut.append(part[-1])
        # Beyond the end of what was read of some classes others may come first.
        end = min(cut, default=None)
        self.fronts += sorted(one for one in found if end is None or one <= end)
        self.whole = end is None
        self._page = min(4 * self._page, _PAGE_MAX)
        return bool(found)

    async def _read(self, klasses: list[str]) -> tuple[list[Front], bool]:
        """The next jobs of these, and whether those are all."""
        which: Document = {"status": Status.QUEUED.value, "klass": {"$in": klasses}}
        if self._but is not None:
            which["avoid"] = {"$ne": self._but}
        last = self._last
        if last is not None:
            which["rank"] = {"$gte": last.rank}
            which["$or"] = [{"rank": {"$gt": last.rank}}, {"seq": {"$gt": last.seq}}]
        found, whole = await chunk(self._connection, self._connection.jobs, which, _FIELDS, _ORDER, self._page)
        return [_front(one) for one in found], whole


def _front(one: Document) -> Front:
    return Front(
        one["rank"], one["seq"], one["_id"], one["rev"], one["klass"], tuple(one.get("avoid", ())), one["weight"],
        one["doc"],
    )  # fmt: skip
