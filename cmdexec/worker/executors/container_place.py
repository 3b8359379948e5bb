"""Where in a stream the log of a container begins: an engine throws the oldest away, and says nothing of it.

The last bytes of a stream that are known to have been passed on are looked for in the log. Found once, they say it to
the byte; else what is told of the output is that it is not whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cmdexec.worker.executors.contract import Known, Stream
from cmdexec.worker.executors.engine_log import FULL

_SURE = 64
"""So many bytes are not there twice by chance."""
_CERTAINLY = 16
"""So many at its beginning are no coincidence."""


class Search:
    """Looks for the last bytes of `known` in a stream of a log. What follows their last end of a line, or is less than
    a record, is left out: it may not be in the log yet.

    place  how far into the stream those bytes reach
    total  bytes of the log
    """

    def __init__(self, known: Known) -> None:
        last = known.last
        end = last.rfind(b"\n") + 1 or max(0, len(last) - FULL)
        self.anchor = last[:end]
        self.place = known.end - len(last) + end
        self.total = 0
        self._count = 0
        self._end = 0
        self._head = b""
        self._carried = b""

    @property
    def undisturbed(self) -> bool:
        """Whether they are where they have to be in a log that has the stream from its beginning."""
        return not self.anchor or self._end == self.place

    @property
    def found(self) -> int | None:
        """How far into the log they reach, where they are there last; None: they are not there."""
        return self._end or None

    @property
    def once(self) -> bool:
        """Whether they are there once, and enough of them to be sure."""
        return self._count == 1 and len(self.anchor) >= _SURE

    def overlap(self) -> tuple[int, bool]:
        """How many of the last of them the log begins with, and whether there is but one such number, and it is enough
        to be sure."""
        head, anchor = self._head, self.anchor
        sizes = range(min(len(head), len(anchor)), 0, -1)
        fitting = (size for size in sizes if anchor[-size] == head[0] and head.startswith(anchor[-size:]))
        size = next(fitting, 0)
        return size, size >= _SURE and next(fitting, None) is None

    def feed(self, piece: bytes) -> None:
        """The next of the log."""
        size = len(self.anchor)
        if len(self._head) < size:
            self._head += piece[: size - len(self._head)]
        self.total += len(piece)
        if not size:
            return
        data = self._carried + piece
        start = self.total - len(data)
        if (first := data.find(self.anchor)) >= 0:
            self._count += 1 if data.rfind(self.anchor) == first else 2
            # Where it is cannot be beyond its place: nothing in the log comes before the stream's beginning.
            if (last := data.rfind(self.anchor, 0, max(0, self.place - start))) >= 0:
                self._end = start + last + size
        self._carried = data[-(size - 1) :] if size > 1 else b""


@dataclass(frozen=True, slots=True)
class Place:
    """`begins`: the offset in its stream of the log's first byte; `sure`: that is so beyond doubt. `gap`: what comes
    before is not known to have been passed on, nor how much that is."""

    begins: int
    sure: bool = True
    gap: bool = False


def places(searches: Mapping[Stream, Search], *, whole: bool) -> dict[Stream, Place]:
    """Where each stream of a log begins. `whole`: the engine has thrown nothing away yet."""
    if whole:
        return {stream: _of_whole(search) for stream, search in searches.items()}
    found = {stream: _found(search) for stream, search in searches.items()}
    # A log is cut for both at once: where one goes on without a gap, so does the other.
    goes_on = any(place is not None and place.sure for place in found.values())
    return {stream: found[stream] or _not_found(search, goes_on=goes_on) for stream, search in searches.items()}


def _of_whole(search: Search) -> Place:
    if search.undisturbed:
        return Place(0)
    found = search.found  # its engine lost some of it: its disk was full, for one
    return Place(0, sure=False) if found is None else Place(search.place - found, sure=False)


def _found(search: Search) -> Place | None:
    if search.found is not None:
        return Place(search.place - search.found, sure=search.once)
    size, sure = search.overlap()
    return Place(search.place - size) if sure else None


def _not_found(search: Search, *, goes_on: bool) -> Place:
    overlap, _ = search.overlap()
    if goes_on:
        return Place(search.place - overlap, sure=not overlap)
    if not search.place or overlap >= _CERTAINLY:
        return Place(search.place - overlap, sure=False)
    return Place(search.place, sure=False, gap=True)
