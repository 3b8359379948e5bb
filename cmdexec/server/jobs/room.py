"""How many jobs each owner may have waiting, held also by submissions that come side by side."""

from collections import OrderedDict

from cmdexec.errors import Unavailable
from cmdexec.store.contract.reads import JobReads

_OWNERS_MAX = 10_000
_RETRY_AFTER_SEC = 5.0


class _Waiting:
    """The jobs of one owner that wait, as far as this server knows, and never fewer.

    known     counted in the store once, and all that was added since
    reserved  on their way to the store
    added     how many were added in all: what came while the store was counting may not be in its number
    counting  how many submissions wait for the store to count
    """

    __slots__ = ("added", "counting", "known", "reserved")

    def __init__(self) -> None:
        self.known: int | None = None
        self.reserved = 0
        self.added = 0
        self.counting = 0

    @property
    def needed(self) -> bool:
        """Whether a submission is under way."""
        return self.reserved > 0 or self.counting > 0

    def takes(self, more: int, most: int) -> bool:
        """Whether so many may be added; they are reserved then."""
        if self.known is None or self.known + self.reserved + more > most:
            return False
        self.reserved += more
        return True


class Room:
    """`most`: jobs that one owner may have waiting. The store is asked only when there might be no room."""

    def __init__(self, reads: JobReads, most: int) -> None:
        self._reads = reads
        self._most = most
        self._owners: OrderedDict[str, _Waiting] = OrderedDict()

    async def reserve(self, owner: str, jobs: int) -> None:
        """Keep room for so many, until they are `added` or `given_back`. Raises Unavailable("queue_full")."""
        waiting = self._owners.setdefault(owner, _Waiting())
        self._owners.move_to_end(owner)
        if waiting.takes(jobs, self._most):
            return
        before = waiting.added
        waiting.counting += 1
        self._forget_some()
        try:
            counted = await self._reads.waiting_of(owner)
        finally:
            waiting.counting -= 1
        waiting.known = counted + waiting.added - before
        if not waiting.takes(jobs, self._most):
            raise Unavailable(
                "queue_full",
                f"{counted} jobs of yours wait already; {self._most} may.",
                retry_after=_RETRY_AFTER_SEC,
                mend="Send fewer, or wait until some have begun.",
            )

    def added(self, owner: str, jobs: int) -> None:
        """What was reserved is in the store, or may be."""
        waiting = self._owners[owner]
        waiting.reserved -= jobs
        waiting.added += jobs
        waiting.known = (waiting.known or 0) + jobs

    def given_back(self, owner: str, jobs: int) -> None:
        """What was reserved is not needed."""
        self._owners[owner].reserved -= jobs

    def _forget_some(self) -> None:
        while len(self._owners) > _OWNERS_MAX:
            owner = next((owner for owner, waiting in self._owners.items() if not waiting.needed), None)
            if owner is None:
                return
            del self._owners[owner]
