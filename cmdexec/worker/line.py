"""What a conversation with a server runs over: a socket (`link.socket.Socket`), or HTTP calls (`worker.polling`)."""

from typing import Any, Protocol

from cmdexec.link.socket import Ended, Handler
from cmdexec.protocol.messages import OutputHeader

NOT_NOW = frozenset(
    {"store_away", "overloaded", "draining", "too_many", "queue_full", "disk_full", "timeout", "internal"}
)
"""The codes of what could not be done now, and is worth being said again."""


class Line(Protocol):
    """Carries frames both ways, in order. `put`, `put_output` and `close` never block, and do nothing after its end.

    settled   nothing is under way to this worker that was sent before the last answer came
    """

    @property
    def settled(self) -> bool: ...

    def put(self, frame: Any) -> None:
        """Send a frame (`codec.ask`) soon, in the order of the calls."""
        ...

    def flush(self) -> None:
        """Send what was put now, in the midst of a turn of the loop."""
        ...

    def put_output(self, header: OutputHeader, data: bytes | memoryview) -> None:
        """Send a piece of output soon, in its place among the frames."""
        ...

    async def room(self, size: int) -> None:
        """Wait until there is room for `size` more bytes. Raises Unavailable("server_away") at the end."""
        ...

    def close(self, code: int, sentence: str) -> None:
        """End it: what waits is sent first."""
        ...

    async def run(self, handler: Handler) -> Ended:
        """Hand what comes to the handler, until either end closes; how it ended. Cancelling it cuts the line."""
        ...
