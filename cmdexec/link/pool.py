"""What may wait to be sent at many sockets together."""

from typing import Protocol


class Holding(Protocol):
    """A socket at which something waits."""

    @property
    def waiting_bytes(self) -> int:
        """How much of it can be dropped: what is being sent cannot."""
        ...

    def cut(self) -> None:
        """Drop all that waits, and give it back to the pool."""
        ...


class Pool:
    """Where more would wait than `most` bytes, the socket is cut at which the most does: whoever reads slowly, and no
    other, pays for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Holding, int] = {}
        self.total = 0

    def take(self, socket: Holding, size: int) -> None:
        """So much more waits at the socket, or is being sent."""
        self.total += size
        self._held[socket] = self._held.get(socket, 0) + size
        while self.total > self._most:
            slowest = max(self._held, key=lambda one: one.waiting_bytes)
            if not slowest.waiting_bytes:
                return
            slowest.cut()

    def give_back(self, socket: Holding, size: int) -> None:
        """So much less."""
        left = self._held.get(socket, 0) - size
        self.total -= size
        if left > 0:
            self._held[socket] = left
        else:
            self._held.pop(socket, None)
