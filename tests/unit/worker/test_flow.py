"""How much output is under way follows the line, so that neither a fast one waits nor a slow one chokes."""

import pytest

from cmdexec.worker.flow import PIECE_BYTES, Flow
from cmdexec.worker.spool.segments import Segments
from cmdexec.worker.spool.stream import StreamSpool

MOST = 4 * 2**20


class Line:
    """Carries `rate` bytes in a second, one piece after the other, and acknowledges each `latency` later."""

    def __init__(self, rate: float, latency: float, most: int = MOST) -> None:
        self.flow = Flow(most, delay_sec=1.0)
        self.flow.begin(2**20)
        self.stream = StreamSpool(Segments("", "", "stdout"))
        self.rate, self.latency = rate, latency
        self.now = self.free_at = 0.0
        self.coming: list[tuple[float, int]] = []
        self.waits: list[float] = []
        self.pieces: list[float] = []

    def carry(self, seconds: float) -> None:
        """As a sender does that always has more."""
        end = self.now + seconds
        while self.now < end:
            while (room := self.flow.window - (self.stream.sent - self.stream.acked)) > 0:
                size = min(self.flow.piece, room)
                self.stream.end += size
                self.stream.sent += size
                self.free_at = max(self.free_at, self.now) + size / self.rate
                self.pieces.append(size / self.rate)
                self.waits.append(self.free_at - self.now)
                self.coming.append((self.free_at + self.latency, self.stream.sent))
                self.flow.put(self.stream, self.stream.sent - self.stream.acked, self.now)
            self.now, acked = self.coming.pop(0)
            self.stream.ack(acked)
            self.flow.acknowledged(self.now)


def test_on_a_fast_line_the_whole_window_is_soon_open() -> None:
    line = Line(rate=200e6, latency=0.005)
    line.carry(0.2)
    assert line.flow.window == MOST
    assert line.flow.piece == PIECE_BYTES


@pytest.mark.parametrize("rate", [10e3, 40e3, 200e3])
def test_on_a_slow_line_what_is_said_later_waits_a_few_seconds_at_most(rate: float) -> None:
    line = Line(rate, latency=0.05)
    line.carry(60)
    del line.waits[:], line.pieces[:]
    line.carry(600)
    assert max(line.waits) < 4
    assert max(line.pieces) < 1
    assert line.stream.acked > rate * 600, "it is used all the time"


def test_a_line_that_gets_fast_again_is_found_out() -> None:
    line = Line(rate=40e3, latency=0.05)
    line.carry(60)
    assert line.flow.window < 100e3
    line.rate = 100e6
    line.carry(5)
    assert line.flow.window == MOST


def test_little_output_says_nothing_of_a_line() -> None:
    line = Line(rate=1, latency=1)
    before = line.flow.window
    for number in range(50):
        line.stream.end += 10
        line.stream.sent += 10
        line.flow.put(line.stream, 10, number)
        line.stream.ack(line.stream.sent)
        line.flow.acknowledged(number + 0.001)
    assert line.flow.window == before


def test_a_window_is_never_larger_than_memory_allows_nor_useless() -> None:
    for most in (1, 100, 64 * 1024):
        line = Line(rate=1e9, latency=0.0001, most=most)
        assert 0 < line.flow.piece <= line.flow.window == most
        line.carry(0.05)
        assert line.flow.window == most
    line = Line(rate=100, latency=0)
    line.carry(2000)
    assert line.flow.window == 32 * 1024
