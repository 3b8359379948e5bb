"""The worker's end of the warden: starting it, talking to it, hearing of its death."""

import asyncio
import os
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from cmdexec.bundle import environment_of_a_part
from cmdexec.worker.warden import proc, wire

_WINDOW = 2 * wire.ORDERS_PER_MESSAGE
"""Orders under way to the warden at once: their descriptors count as open files of this process until it takes them."""


class Lifeline:
    """One warden. `answered` gets each list of answers, `died` is called once when it is gone, unless `end` came first;
    `began` is its start in jiffies since boot.

    Not reading the answers is safe for the warden: it has at most a few for each job.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        lock: int | None,
        answered: Callable[[list[wire.Message]], None],
        died: Callable[[], None],
    ) -> None:
        """Start it. `command` makes the arguments from the descriptor that it inherits. Raises OSError."""
        self._answered = answered
        self._died = died
        self._waiting: deque[tuple[bytes, list[int], Sequence[int]]] = deque()
        self._batch: list[wire.Message] = []
        self._renewal: bytes | None = None
        self._under_way = 0
        self._writing = False
        self._loop = asyncio.get_running_loop()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            passed = [theirs.fileno()] if lock is None else [theirs.fileno(), lock]
            try:
                self._process = subprocess.Popen(
                    list(command(theirs.fileno())),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=environment_of_a_part(),
                    pass_fds=passed,
                    start_new_session=True,
                )
            except BaseException:
                self._socket.close()
                raise
        began = proc.read(self.pid)  # not reaped before `_read` or `end`
        self.began = began.start if began is not None else 0
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._read)

    @property
    def pid(self) -> int:
        """The warden's."""
        return self._process.pid

    def order(self, orders: Sequence[tuple[wire.Message, int, int]]) -> None:
        """Send SPAWN requests, each with its write ends, which are closed when they are sent."""
        for at in range(0, len(orders), wire.ORDERS_PER_MESSAGE):
            self._order_some(orders[at : at + wire.ORDERS_PER_MESSAGE])
        self._flush()

    def tell(self, request: wire.Message) -> None:
        """Send a request that carries no descriptors, after all orders before it."""
        self._waiting.append((wire.pack([request]), [], ()))
        self._flush()

    def renew(self, renewal: int, until: float) -> None:
        """Tell until when leased jobs may live, before all that waits; of those that wait themselves only the last
        counts, so a warden that is stopped finds one."""
        self._renewal = wire.pack([(wire.LEASE, renewal, until)])
        self._flush()

    def withdraw(self) -> list[int]:
        """Send no order that has not been sent; their numbers. What else waits stays: it names none that matters."""
        withdrawn = [one for one in self._waiting if one[2]]
        self._waiting = deque(one for one in self._waiting if not one[2])
        for _, descriptors, _ in withdrawn:
            for descriptor in descriptors:
                os.close(descriptor)
        self._flush()
        return [number for _, _, numbers in withdrawn for number in numbers]

    async def end(self, timeout_sec: float) -> bool:
        """Let go: the warden ends every tree, then itself. False when it was killed for taking too long."""
        self._let_go()
        try:
            await asyncio.wait_for(_exit_of(self.pid, self._loop), timeout_sec)
        except TimeoutError:
            self._process.kill()
            await _exit_of(self.pid, self._loop)
            return False
        finally:
            self._process.wait()
        return True

    def _order_some(self, orders: Sequence[tuple[wire.Message, int, int]]) -> None:
        data = wire.pack([message for message, _, _ in orders])
        descriptors = [end for _, out, err in orders for end in (out, err)]
        if len(data) > wire.MESSAGE_BYTES:
            if len(orders) > 1:
                self._order_some(orders[: len(orders) // 2])
                self._order_some(orders[len(orders) // 2 :])
                return
            try:
                descriptors.insert(0, wire.to_memory_file(data))
            except OSError:
                self._refuse(orders[0])
                return
            [(message, _, _)] = orders
            data = wire.pack([(wire.LARGE, message[1])])
        self._waiting.append((data, descriptors, [_number_of(message) for message, _, _ in orders]))

    def _refuse(self, order: tuple[wire.Message, int, int]) -> None:
        message, *ends = order
        for end in ends:
            os.close(end)
        self._under_way += 1
        sentence = "this machine has no room for arguments and environment of this size"
        failed: wire.Message = (wire.FAILED, message[1], sentence, True)
        self._loop.call_soon(self._take, [failed])

    def _flush(self) -> None:
        if self._renewal is not None:
            try:
                wire.send(self._socket, self._renewal, [])
            except BlockingIOError:
                self._write_later(True)
                return
            except OSError:  # as below
                pass
            self._renewal = None
        while self._waiting:
            data, descriptors, orders = self._waiting[0]
            if self._under_way and self._under_way + len(orders) > _WINDOW:
                break
            try:
                wire.send(self._socket, data, descriptors)
            except BlockingIOError:
                self._write_later(True)
                return
            except OSError:  # the warden is gone: reading says so, and what waits is thrown away there
                break
            self._waiting.popleft()
            self._under_way += len(orders)
            for descriptor in descriptors:
                os.close(descriptor)
        self._write_later(False)

    def _write_later(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._socket.fileno())
        self._writing = wanted

    def _read(self) -> None:
        try:
            data, _ = wire.receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._let_go()
            self._process.wait()  # its end of the socket is closed by its death, nothing else
            self._died()
            return
        self._take(wire.unpack(data))

    def _take(self, answers: list[wire.Message]) -> None:
        self._under_way -= sum(answer[0] in (wire.STARTED, wire.FAILED) for answer in answers)
        self._answered(answers)
        if self._waiting:
            self._flush()

    def _let_go(self) -> None:
        if self._socket.fileno() >= 0:
            self._write_later(False)
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        for _, descriptors, _ in self._waiting:
            for descriptor in descriptors:
                os.close(descriptor)
        self._waiting.clear()


def _number_of(order: wire.Message) -> int:
    _, number, *_ = order
    return cast(int, number)


async def _exit_of(pid: int, loop: asyncio.AbstractEventLoop) -> None:
    """Until our child `pid` has ended; it is not reaped."""
    descriptor = os.pidfd_open(pid)
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _set, ended)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
