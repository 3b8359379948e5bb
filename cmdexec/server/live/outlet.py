"""Where what a person is told goes."""

import asyncio
from typing import Any, Protocol

from cmdexec.errors import Unavailable
from cmdexec.link.socket import Close


class Outlet(Protocol):
    """The sending side of one person's socket (`link.socket.Socket` is one), bounded. Nothing of it blocks but `room`,
    and after the end of the socket all of it does nothing."""

    def put(self, frame: Any) -> None:
        """Send a frame soon, in the order of the calls."""
        ...

    def flush(self) -> None:
        """Send what was put now, in the midst of a turn of the loop."""
        ...

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of what may wait free."""
        ...

    async def room(self, size: int) -> None:
        """Wait until there is room for `size` more bytes. Raises Unavailable at the end of the socket."""
        ...

    def close(self, code: int, sentence: str) -> None:
        """Send what waits, then end the socket."""
        ...


async def room_in(outlet: Outlet, size: int, within_sec: float) -> bool:
    """Whether there is room for `size` bytes by then; else its reader is too slow and is cut off, or has gone."""
    try:
        async with asyncio.timeout(within_sec):
            await outlet.room(size)
        return True
    except Unavailable:
        return False
    except TimeoutError:
        outlet.close(Close.TOO_SLOW, "Too slow: what you watch changes faster than you read.")
        return False
