"""The job's bytes to standard output and standard error, each piece as it comes.

A reader may be slow or stop altogether (`| less`), and then a write hangs; so writing has a thread of its own, and no
end of the process waits for it.
"""

import asyncio
import os
import queue
import select
import threading
from collections.abc import Mapping
from typing import Final

DESCRIPTORS: Final[Mapping[str, int]] = {"stdout": 1, "stderr": 2}

_Item = tuple[int, bytes, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Printer:
    """One writer; a piece is taken when the one before it is written."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Item] = queue.Queue(1)
        threading.Thread(target=self._work, name="cmdexec-printer", daemon=True).start()

    async def write(self, stream: str, data: bytes) -> None:
        """Returns when all of `data` is written. Raises OSError: BrokenPipeError when nobody reads that stream."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.put_nowait((DESCRIPTORS[stream], data, loop, written))
        await written

    def _work(self) -> None:
        while True:
            descriptor, data, loop, written = self._waiting.get()
            wrong: OSError | None = None
            try:
                _write_all(descriptor, data)
            except OSError as failed:
                wrong = failed
            try:
                loop.call_soon_threadsafe(_settle, written, wrong)
            except RuntimeError:
                return  # the loop is closed: the process ends


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # somebody else has made it non-blocking, and it is theirs too
            select.select([], [descriptor], [])


def _settle(written: "asyncio.Future[None]", wrong: OSError | None) -> None:
    if written.done():
        return
    if wrong is None:
        written.set_result(None)
    else:
        written.set_exception(wrong)
