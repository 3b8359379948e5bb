"""Where what a worker is told goes."""

from typing import Any, Protocol


class Outbox(Protocol):
    """The sending side of one worker's socket (`link.socket.Socket` is one). Neither call blocks, and after the end of
    the socket neither does anything. It is bounded: a worker that does not read is cut off."""

    def put(self, frame: Any) -> None:
        """Send a frame (`codec.ask`, `codec.answer`) soon, in the order of the calls."""
        ...

    def close(self, code: int, sentence: str) -> None:
        """Send what waits, then end the socket with that code (`link.socket.Close`) and sentence."""
        ...
