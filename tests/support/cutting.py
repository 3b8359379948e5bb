"""A TCP proxy that cuts each connection after some number of bytes, wherever that is in what they mean."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.pair import reset


class Cutting:
    """Listens on a port of its own, in a thread of its own, and passes on all until `budget` is set.

    budget   how many bytes of the server's the next connection gets before it is cut; None: it is not
    cuts     how many were
    """

    def __init__(self, port: int) -> None:
        self.budget: Callable[[], int | None] = lambda: None
        self.cuts = 0
        self.port = 0
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut_from_now_on(self, budget: Callable[[], int]) -> None:
        """Cut what is open, and each connection that follows when its `budget` is spent."""
        self.budget = budget

        def cut() -> None:
            for writer in self._open:
                reset(writer)

        self._loop.call_soon_threadsafe(cut)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # of Python 3.11's streams, which log what was cancelled
            await self._served(reader, writer)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            reset(writer)
            return
        self._open.add(writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                there = tasks.create_task(_pass_on(reader, to_writer, None))
                cut = await _pass_on(to_reader, writer, self.budget())
                self.cuts += cut
                there.cancel()
        finally:
            self._open.discard(writer)
            reset(writer)
            reset(to_writer)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None) -> bool:
    """Until either end is gone, or `budget` is spent to the byte; whether it was."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536 if budget is None else min(budget, 65536) or 1):
            if budget is not None:
                data = data[:budget]
                budget -= len(data)
            writer.write(data)
            await writer.drain()
            if budget == 0:
                return True
    return False


@contextmanager
def cutting(port: int) -> Iterator[Cutting]:
    """A proxy to that port of this machine, until the end of the block."""
    proxy = Cutting(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
