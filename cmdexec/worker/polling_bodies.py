"""How large a body may be on the way to the server: what lies in between may take less than the server itself.

A proxy that takes no larger ones may say so (413), answer with a page of its own, or let them hang. So the bound is
halved when one did not get through, and doubled again when many of that size have.
"""

LEAST = 32 * 1024
"""No bound is smaller, in bytes: less carries nothing that would be worth it."""

_HIGHEST = 64 * 1024 * 1024
_CARRIED_FIRST = 32
_CARRIED_MOST = 1024


class Bodies:
    """The bound, which outlives a line. `most`: the largest body, in bytes, that is worth a try."""

    def __init__(self) -> None:
        self.most = _HIGHEST
        self._carried, self._needed = 0, _CARRIED_FIRST

    def lost(self, size: int) -> bool:
        """A body of so many bytes did not get through. Returns whether a smaller one is worth a try."""
        if size <= LEAST:
            return False
        self.most = min(self.most, max(LEAST, size // 2))
        self._carried, self._needed = 0, min(_CARRIED_MOST, self._needed * 2)
        return True

    def carried(self, size: int) -> None:
        """A body of so many bytes did."""
        if size * 2 < self.most:
            return
        self._carried += 1
        if self._carried >= self._needed:
            self.most, self._carried = min(_HIGHEST, self.most * 2), 0
