"""A worker and its window together: from the start of both to the end of the worker.

The window is a process of its own. It may die, or be closed, while the worker goes on; starting the worker once more in
the same folder opens it again.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from cmdexec.errors import CmdexecError
from cmdexec.worker.page.calls import Calls
from cmdexec.worker.page.door import Door
from cmdexec.worker.page.files import read_files
from cmdexec.worker.page.first import First, Where
from cmdexec.worker.page.host import Host


class Window(Protocol):
    """The window's process."""

    async def open(self, where: Where) -> None:
        """Open it over that page. Raises CmdexecError(`no_window`): there can be none."""
        ...

    async def until_gone(self, close_asked: Callable[[], None]) -> str:
        """Wait for its end, and say how it came. `close_asked`: its close button was pressed."""
        ...

    def show(self) -> None:
        """Bring it to the front."""
        ...

    def close(self) -> None:
        """Have it close. Twice is fine."""
        ...

    async def end(self) -> str:
        """Close it, and wait for that; how it ended."""
        ...


class Windowed:
    """Both of them. `first`: the folder's one window, which is ours."""

    def __init__(self, host: Host, window: Window, first: First) -> None:
        self._host, self._window, self._first = host, window, first
        self._calls = Calls(host, show=self._show, close=window.close)
        self._wanted = asyncio.Event()
        self._is_open = False
        self._unseen: CmdexecError | None = None
        host.when_idle = self._have_it_seen

    async def run(self, *, ends_process: bool = False) -> int:
        """Open the window, then work as `Host.run` does. Raises CmdexecError: `no_window` before any work; why there
        is no worker any more, where that is so at the end."""
        host, call = self._host, self._host.runtime.threads.run
        files = await call(read_files)
        door = Door(files, self._calls.table(), settings=host.base, runtime=host.runtime)
        await door.open()
        try:
            where = Where(door.url, door.token)
            await self._window.open(where)
            self._is_open = True
            await call(partial(self._first.tell, where))
            async with asyncio.TaskGroup() as tasks:
                windows = tasks.create_task(self._windows(where))
                try:
                    code = await host.run(ends_process=ends_process)
                finally:
                    windows.cancel()
            if (why := host.stopped or self._unseen) is not None:
                raise why
            return code
        finally:
            await self._window.end()
            await door.close()

    async def _windows(self, where: Where) -> None:
        """One window after the other."""
        host = self._host
        while True:
            how = await self._window.until_gone(self._close_asked)
            self._is_open = False
            if self._idle():
                host.end()
                return
            host.runtime.log.info(
                "the window is gone; this worker goes on, and the same command opens the window again", why=how
            )
            while not self._is_open:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    await self._window.open(where)
                    self._is_open = True
                except CmdexecError as wrong:
                    host.runtime.log.warning("the window cannot be opened", why=wrong.message)
                    if self._idle():
                        self._unseen = host.unusable
                        host.end()
                        return

    def _idle(self) -> bool:
        """Whether there is no worker, and without somebody's help there will be none."""
        return bool(self._host.problems) or self._host.stopped is not None

    def _have_it_seen(self) -> None:
        """Nothing goes on without somebody's help, so the window has to be there for them."""
        if not self._is_open:
            self._wanted.set()

    def _close_asked(self) -> None:
        """Its page asks what that is to mean, unless there is nothing to choose, or nobody who could be asked."""
        if self._idle() or not self._calls.watching:
            self._window.close()
        else:
            self._calls.close_asked += 1

    def _show(self) -> None:
        if self._is_open:
            self._window.show()
        else:
            self._wanted.set()
