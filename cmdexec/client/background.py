"""The thread behind a `Connection`: an event loop with one `Client`, for callers that have none.

What is asked is a task of one group, so that closing ends them all, and whoever waits for one is told. Nothing here
knows of the `Connection`, so that one that is forgotten can be found forgotten, and its thread ended.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from cmdexec.client.access import find_access
from cmdexec.client.calls import Client
from cmdexec.client.patience import Notice, Patience
from cmdexec.errors import CmdexecError
from cmdexec.protocol.requests import JobView
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings

T = TypeVar("T")

COLLECTED_AT_ONCE = 16
CLOSED = "This connection to the server is closed."
FORKED = (
    "This connection to the server was made before this process was forked, and its thread stayed behind. "
    "Connect in the child: cmdexec.connect()."
)
_CANCELLED_AT_ONCE = 1000

_running: set["Background"] = set()


class Background:
    """`client` is the client, to be used in `loop` alone; `collecting` bounds how many results are read at once."""

    client: Client

    def __init__(self, settings: ClientSettings, notice: Notice | None) -> None:
        self._settings = settings
        self._notice = notice
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="cmdexec-client", daemon=True)
        self._thread.start()
        self._ready.result()

    def post(self, work: Coroutine[Any, Any, T], *, inside: bool = False) -> Future[T]:
        """Begin `work` in the thread; the future is told how it ends.

        `inside`: the thread itself may ask, since it does not wait. Raises RuntimeError when it would wait for itself,
        when the connection is closed, and in a process that was forked from its own.
        """
        wrong = FORKED if self.forked else None
        if threading.current_thread() is self._thread and not inside:
            wrong = "A callback of a job must not wait for the server: let another thread ask."
        if wrong is None:
            future: Future[T] = Future()
            with self._lock:
                if not self._closed:
                    self.loop.call_soon_threadsafe(self._begin, work, future)
                    return future
        work.close()
        raise RuntimeError(wrong or CLOSED)

    @property
    def forked(self) -> bool:
        """Whether this process was forked from the one whose thread this is."""
        return os.getpid() != self._pid

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """The same, waited for. An exception while it is waited for, as of Ctrl-C, ends it."""
        future = self.post(work)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._soon(self._drop, future)
            raise

    def submit(
        self, work: Coroutine[Any, Any, list[JobView]], patience: Patience, then: Callable[[list[JobView]], T]
    ) -> T:
        """What `then` makes of the jobs that `work` submits, tried as long as `patience` allows. An exception while it
        is waited for, as of Ctrl-C, makes the try under way the last one, and cancels the jobs that come of it."""
        future = self.post(work)
        try:
            return then(future.result())
        except CmdexecError:
            raise
        except BaseException:
            if not future.done() or future.exception() is None:
                self._soon(self._take_back, future, patience)
            raise

    def stop(self) -> None:
        """End what is asked, and the thread soon; twice is fine."""
        if self.forked:
            return
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            with suppress(RuntimeError):  # the loop has ended by itself
                self.loop.call_soon_threadsafe(self._closing.set)

    def close(self) -> None:
        """The same, and wait for it, but in the thread itself."""
        self.stop()
        if threading.current_thread() is not self._thread and not self.forked:
            self._thread.join()

    async def end(self, pieces: AsyncGenerator[Any, None], asked: Future[Any] | None) -> None:
        """End an iterator, also one that somebody was interrupted in waiting for."""
        task = None if asked is None else self._drop(asked)
        if task is not None:
            await asyncio.wait({task})
        await pieces.aclose()

    # In the thread

    def _work(self) -> None:
        _running.add(self)
        try:
            asyncio.run(self._serve())
        except BaseException as wrong:
            if self._ready.done():
                raise
            self._ready.set_exception(wrong)
        finally:
            _running.discard(self)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.collecting = asyncio.Semaphore(COLLECTED_AT_ONCE)
        self._closing = asyncio.Event()
        self._tasks: dict[Future[Any], asyncio.Task[None]] = {}
        self._taken_back: set[Future[Any]] = set()
        self._taking_back: set[asyncio.Task[None]] = set()
        runtime = system_runtime("client", threads=1)
        try:
            find = partial(find_access, self._settings)
            async with (
                Client(find, settings=self._settings, runtime=runtime, notice=self._notice) as self.client,
                asyncio.TaskGroup() as self._group,
            ):
                self._ready.set_result(None)
                await self._closing.wait()
                await self._end_all()
        finally:
            runtime.threads.close()

    async def _end_all(self) -> None:
        """What is being taken back gets a moment for it."""
        for future, task in tuple(self._tasks.items()):
            if future not in self._taken_back:
                task.cancel()
        if self._taking_back:
            await asyncio.wait(self._taking_back, timeout=self._settings.tell_after_sec)
        for task in (*self._tasks.values(), *self._taking_back):
            task.cancel()

    def _begin(self, work: Coroutine[Any, Any, Any], future: Future[Any]) -> None:
        if self._closing.is_set():
            work.close()
            future.set_exception(RuntimeError(CLOSED))
        else:
            task = self._tasks[future] = self._group.create_task(_settle(work, future))
            task.add_done_callback(partial(self._ended, work, future))

    def _ended(self, work: Coroutine[Any, Any, Any], future: Future[Any], _: object) -> None:
        del self._tasks[future]
        if not future.done():
            work.close()  # of a task that was cancelled before it began
            future.set_exception(RuntimeError(CLOSED))

    def _soon(self, call: Any, *arguments: Any) -> None:
        with self._lock:
            if not self._closed:
                self.loop.call_soon_threadsafe(call, *arguments)

    def _drop(self, future: Future[Any]) -> asyncio.Task[None] | None:
        task = self._tasks.get(future)
        if task is not None:
            task.cancel()
        return task

    def _take_back(self, future: Future[list[JobView]], patience: Patience) -> None:
        patience.end()
        self._taken_back.add(future)
        task = self._group.create_task(self._cancel_what_comes(future))
        self._taking_back.add(task)
        task.add_done_callback(self._taking_back.discard)

    async def _cancel_what_comes(self, future: Future[list[JobView]]) -> None:
        try:
            submitted = [job.job_id for job in await asyncio.wrap_future(future)]
            for begin in range(0, len(submitted), _CANCELLED_AT_ONCE):
                await self.client.cancel(*submitted[begin : begin + _CANCELLED_AT_ONCE])
        except Exception as wrong:  # whatever it is: nobody waits for it, and all else in this thread goes on
            self.client.runtime.log.debug("a submission that was left is not taken back", why=repr(wrong))
        finally:
            self._taken_back.discard(future)


async def _settle(work: Coroutine[Any, Any, T], future: Future[T]) -> None:
    try:
        result = await work
    except asyncio.CancelledError:
        raise
    except BaseException as wrong:
        future.set_exception(wrong)
    else:
        future.set_result(result)


@atexit.register
def _close_all() -> None:
    for one in tuple(_running):
        one.close()
