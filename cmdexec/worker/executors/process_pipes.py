"""The read ends of all output pipes, behind one epoll that the event loop watches: a job costs it no handle."""

import asyncio
import fcntl
import os
import select
from collections.abc import Callable

from cmdexec.worker.executors.contract import Sink, Stream

READ_BYTES = 64 * 1024
"""What a pipe holds by default (pipe(7))."""
FAT_BYTES = 256 * 1024
"""For a stream that once filled a read: read so much at a time, and let the pipe hold as much."""
_PIPES_A_TURN = 64
"""Then the loop has its turn, so that fat streams hold up nobody for more than some milliseconds."""


class Pipe:
    """One stream of one job. `ended` is called once when its last byte was passed on, or it was cut."""

    __slots__ = ("descriptor", "ended", "paused", "sink", "size", "stream", "watched")

    def __init__(self, descriptor: int, stream: Stream, sink: Sink, ended: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self.stream = stream
        self.sink = sink
        self.ended = ended
        self.size = READ_BYTES
        self.paused = False
        self.watched = False

    @property
    def open(self) -> bool:
        """More may come."""
        return self.descriptor >= 0


class Pipes:
    """All open pipes of an executor."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._pipes: dict[int, Pipe] = {}
        self._loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, pipe: Pipe) -> None:
        """Read it from now on."""
        if not pipe.watched and not pipe.paused and pipe.open:
            self._pipes[pipe.descriptor] = pipe
            self._epoll.register(pipe.descriptor, select.EPOLLIN)
            pipe.watched = True

    def pause(self, pipe: Pipe) -> None:
        """Read no more until `resume`."""
        pipe.paused = True
        self._forget(pipe)

    def resume(self, pipe: Pipe) -> None:
        """Go on."""
        if pipe.paused:
            pipe.paused = False
            self.watch(pipe)

    def read_out(self, pipe: Pipe) -> None:
        """Read what is there now, up to what a pipe holds."""
        left = FAT_BYTES
        while pipe.open and not pipe.paused and left > 0 and (count := self._read(pipe, hung_up=False)):
            left -= count

    def close(self, pipe: Pipe) -> None:
        """Read no more of it, ever. `ended` is not called."""
        if pipe.open:
            self._forget(pipe)
            os.close(pipe.descriptor)
            pipe.descriptor = -1

    def close_all(self) -> None:
        """Leave the loop."""
        self._loop.remove_reader(self._epoll.fileno())
        for pipe in list(self._pipes.values()):
            self.close(pipe)
        self._epoll.close()

    def _turn(self) -> None:
        for descriptor, events in self._epoll.poll(0, _PIPES_A_TURN):
            # A turn's earlier pipes may have ended or paused this one.
            if (pipe := self._pipes.get(descriptor)) is not None:
                self._read(pipe, hung_up=bool(events & select.EPOLLHUP))

    def _read(self, pipe: Pipe, hung_up: bool) -> int:
        """Pass on what one read gives. `hung_up`: no writer was left before, so a short read is the last one."""
        try:
            data = os.read(pipe.descriptor, pipe.size)
        except BlockingIOError:
            return 0
        short = len(data) < pipe.size
        if not short:
            self._fatten(pipe)
        if data:
            pipe.sink.output(pipe.stream, data)
        if (not data or (hung_up and short)) and pipe.open:
            self.close(pipe)
            pipe.ended()
        return len(data)

    def _forget(self, pipe: Pipe) -> None:
        if pipe.watched:
            pipe.watched = False
            del self._pipes[pipe.descriptor]
            self._epoll.unregister(pipe.descriptor)

    def _fatten(self, pipe: Pipe) -> None:
        if pipe.size < FAT_BYTES:
            pipe.size = FAT_BYTES
            try:
                fcntl.fcntl(pipe.descriptor, fcntl.F_SETPIPE_SZ, FAT_BYTES)
            except OSError:  # over the user's share of pipe memory: it stays as it is
                return


def has_writer(descriptor: int) -> bool:
    """Whether anybody can still write to the pipe with this read end; what is in it does not matter."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return not any(events & select.POLLHUP for _, events in poll.poll(0))
