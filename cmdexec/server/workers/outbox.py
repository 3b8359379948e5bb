"""Where what a worker is told goes."""

from typing import Any, Protocol


class Outbox(Protocol):
    """The sending side of one worker's socket (`link.socket.Socket` is one). `put` and `close` never block, and after
    the end of the socket they do nothing. It is bounded: a worker that does not read is cut off."""

    def put(self, frame: Any) -> None:
        """Send a frame (`codec.ask`, `codec.answer`) soon, in the order of the calls. Raises Refused("too_large") if it
        is larger than a message and cannot be split: an answer, or a single item."""
        ...

    def flush(self) -> None:
        """Send what was put now, in the midst of a turn of the loop."""
        ...

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes leave half of what may wait free. Where nothing waits, there is room for all."""
        ...

    async def room(self, size: int) -> None:
        """Wait until there is room for `size` more bytes. Raises Unavailable at the end of the socket."""
        ...

    def close(self, code: int, sentence: str) -> None:
        """Send what waits, then end the socket with that code (`link.socket.Close`) and sentence."""
        ...
