"""How much output may be under way: as much as the line carries in a moment.

What is under way stands before all that is said after it, results and heartbeats too, and nothing of it may be cut as
too slow while the line carries it. So the window opens, by doubling, while a full one is acknowledged soon, and closes
in proportion while that takes longer than `delay_sec`: on a fast line it is soon all that memory allows, on one of 40
KB/s about 40 KB.
"""

from cmdexec.worker.spool.stream import StreamSpool

PIECE_BYTES = 512 * 1024
"""The most of a stream that goes in one message: enough that its cost does not matter, little enough to take turns."""

_FIRST_BYTES = 256 * 1024
_LEAST_BYTES = 32 * 1024
_PIECES = 4


class Flow:
    """The window of one line.

    window  bytes that may be sent and not acknowledged
    piece   bytes of a stream that may go in one message
    """

    def __init__(self, most: int, delay_sec: float) -> None:
        """`most` is the window's bound; `delay_sec` is how long it should take to be acknowledged."""
        self._most = most
        self._delay_sec = delay_sec
        self._largest_piece = PIECE_BYTES
        self.window = min(most, _FIRST_BYTES)
        self._timed: tuple[StreamSpool, int, float] | None = None

    @property
    def piece(self) -> int:
        return max(1, min(self._largest_piece, self.window // _PIECES))

    def begin(self, largest_piece: int) -> None:
        """A new line, as slow as the last was, perhaps; `largest_piece` is all that fits into its messages."""
        self._largest_piece = min(PIECE_BYTES, largest_piece)
        self.window = min(self.window, _FIRST_BYTES)
        self._timed = None

    def put(self, stream: StreamSpool, under_way: int, now: float) -> None:
        """A piece of this stream was put, as the last of so much. It is timed if it says something of a full window."""
        if self._timed is None and under_way * 2 >= self.window:
            self._timed = stream, stream.sent, now

    def acknowledged(self, now: float) -> None:
        """Something was acknowledged: perhaps what is timed."""
        if self._timed is None:
            return
        stream, end, since = self._timed
        if stream.acked < end:
            return
        self._timed = None
        took = now - since
        if took * 2 < self._delay_sec:
            self.window = min(self._most, self.window * 2)
        elif took > self._delay_sec:
            self.window = min(self._most, max(_LEAST_BYTES, int(self.window * self._delay_sec / took)))

    def lost(self, stream: StreamSpool) -> None:
        """What was timed of this stream will not be acknowledged."""
        if self._timed is not None and self._timed[0] is stream:
            self._timed = None
