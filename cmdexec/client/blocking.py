"""The client for programs without an event loop of their own, in the manner of `concurrent.futures`.

One background thread runs an event loop with one `Client`; all calls go there, from however many threads. What is
asked is a task of one group, so that closing ends them all, and whoever waits for one is told.
"""

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast

from cmdexec.client.access import find_access
from cmdexec.client.calls import Client
from cmdexec.client.future import Job
from cmdexec.client.patience import Notice
from cmdexec.client.results import JobFailed, Result, collect
from cmdexec.client.template import Command, Item, filled
from cmdexec.client.wanted import Fields, new_job
from cmdexec.errors import CmdexecError
from cmdexec.protocol.listing import JobRow, JobsQuery
from cmdexec.protocol.requests import JobView, NewJob
from cmdexec.runtime import system_runtime
from cmdexec.settings.client import ClientSettings
from cmdexec.settings.load import load

P = ParamSpec("P")
T = TypeVar("T")

_COLLECTED_AT_ONCE = 16
_END = object()
_CLOSED = "This connection to the server is closed."


class Connection:
    """A server, and everything that can be asked of it. Use it in `with`, or `close` it; threads may share it.

    Closing ends no job: those that are under way go on, and their futures raise.
    """

    def __init__(self, settings: ClientSettings, notice: Notice | None = None) -> None:
        self._settings = settings
        self._notice = notice
        self._lock = threading.Lock()
        self._closed = False
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="cmdexec-client", daemon=True)
        self._thread.start()
        self._ready.result()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is asked and the thread; twice is fine. Jobs go on."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            atexit.unregister(self.close)
            self._loop.call_soon_threadsafe(self._closing.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # Jobs

    def run(self, command: Command, *, check: bool = True, **fields: Unpack[Fields]) -> Result:
        """Run one command, and wait for what it comes to.

            c.run("make test", cpu=2, timeout_sec=600).text

        Raises JobFailed if it fails; without `check` only where it has no result: its output was too long. An
        exception while it is waited for, as of Ctrl-C, asks the job to end.
        """
        job = self.submit(command, **fields)
        try:
            return job.result()
        except JobFailed as failed:
            if check or failed.result is None:
                raise
            return failed.result
        except CmdexecError:
            raise
        except BaseException:
            with suppress(CmdexecError, RuntimeError):
                job.cancel()
            raise

    def submit(self, command: Command, *, key: str | None = None, **fields: Unpack[Fields]) -> Job:
        """Submit one command; its job is on the server's disk when this returns. `key` as of `Client.submit`."""
        return self._job(self.call(Client.submit, new_job(command, **fields), key=key))

    def submit_all(self, jobs: Iterable[NewJob]) -> list[Job]:
        """Submit any number of jobs, in lists of up to 1,000, each all or none."""
        return [self._job(view) for view in self.call(Client.submit_many, list(jobs))]

    def map(
        self, template: Command, items: Iterable[Item], *, check: bool = True, timeout: float | None = None,
        **fields: Unpack[Fields],
    ) -> Iterator[Result]:  # fmt: skip
        """Run one command for each item, all at once, and give what they come to in the order of the items.

            for result in c.map("convert {} {}.png", paths): …
            for result in c.map(["render", "--frame", "{n}"], ({"n": n} for n in range(100))): …

        `{}` is where the item stands, `{name}` where that of a mapping does; in a line for the shell text is quoted,
        and ValueError raised where it cannot be (`template.filled`), before anything is submitted. All jobs are
        submitted before this returns. A job that failed raises JobFailed when its turn comes, unless not `check`; those
        behind it go on. `timeout`: seconds for all of them together.
        """
        if isinstance(items, str | bytes | Mapping):
            raise TypeError(f"items is a single {type(items).__name__}. Give a list of items.")
        jobs = self.submit_all([new_job(filled(template, item), **fields) for item in items])
        return self._results(jobs, check, timeout)

    def job(self, job_id: str) -> Job:
        """Any job that there is, by its id. Raises Refused("not_found")."""
        return self._job(self.call(Client.status, job_id))

    def jobs(self, query: JobsQuery | None = None) -> Iterator[JobRow]:
        """The jobs that `query` asks for, the newest first; page after page is asked for as they are taken."""
        return self.each(self.client.jobs(query))

    # Everything else

    def call(
        self, method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Any call of the client, by its method: `c.call(Client.workers)`, `c.call(Client.rerun, job_id)`."""
        return self._post(method(self.client, *args, **kwargs)).result()

    def each(self, pieces: AsyncIterator[T]) -> Iterator[T]:
        """What an iterator of `client` gives, one after the other. Leaving it early ends what it does."""
        asked: Future[object] | None = None
        generator = cast("AsyncGenerator[T, None]", pieces)
        try:
            while True:
                asked = self._post(_next(generator))
                found = asked.result()
                if found is _END:
                    return
                yield cast("T", found)
        finally:
            with suppress(RuntimeError):  # the connection was closed, and has ended it
                self._post(self._ended(generator, asked)).result()

    def _job(self, view: JobView) -> Job:
        job = Job(self, view)
        self._post(self._to_its_end(job), job)
        return job

    async def _to_its_end(self, job: Job) -> Result:
        job.view = await self.client.wait(job.id)
        async with self._collecting:
            return await collect(self.client, job.view)

    def _results(self, jobs: Sequence[Job], check: bool, timeout: float | None) -> Iterator[Result]:
        clock = self.client.runtime.clock
        end = None if timeout is None else clock.elapsed() + timeout
        for job in jobs:
            try:
                yield job.result(None if end is None else max(0.0, end - clock.elapsed()))
            except JobFailed as failed:
                if check or failed.result is None:
                    raise
                yield failed.result

    # The thread

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as wrong:
            if self._ready.done():
                raise
            self._ready.set_exception(wrong)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._collecting = asyncio.Semaphore(_COLLECTED_AT_ONCE)
        self._tasks: dict[Future[Any], asyncio.Task[None]] = {}
        runtime = system_runtime("client", threads=1)
        try:
            find = partial(find_access, self._settings)
            async with (
                Client(find, settings=self._settings, runtime=runtime, notice=self._notice) as self.client,
                asyncio.TaskGroup() as self._group,
            ):
                self._ready.set_result(None)
                await self._closing.wait()
                for task in tuple(self._tasks.values()):
                    task.cancel()
        finally:
            runtime.threads.close()

    def _post(self, work: Coroutine[Any, Any, T], future: Future[T] | None = None) -> Future[T]:
        """Begin `work` in the thread; the future, a new one if none is given, is told how it ends.

        Raises RuntimeError when the connection is closed, or when the thread itself would wait for itself.
        """
        if threading.current_thread() is self._thread and future is None:
            work.close()
            raise RuntimeError("A callback of a job must not wait for the server: let another thread ask.")
        future = future or Future()
        with self._lock:
            if self._closed:
                work.close()
                raise RuntimeError(_CLOSED)
            self._loop.call_soon_threadsafe(self._begin, work, future)
        return future

    def _begin(self, work: Coroutine[Any, Any, Any], future: Future[Any]) -> None:
        if self._closing.is_set():
            work.close()
            future.set_exception(RuntimeError(_CLOSED))
        else:
            self._tasks[future] = self._group.create_task(self._settle(work, future))

    async def _settle(self, work: Coroutine[Any, Any, T], future: Future[T]) -> None:
        try:
            result = await work
        except asyncio.CancelledError:
            future.set_exception(RuntimeError(_CLOSED))
            raise
        except BaseException as wrong:
            future.set_exception(wrong)
        else:
            future.set_result(result)
        finally:
            self._tasks.pop(future, None)

    async def _ended(self, pieces: AsyncGenerator[Any, None], asked: Future[Any] | None) -> None:
        """End an iterator, also one that somebody was interrupted in waiting for."""
        task = None if asked is None else self._tasks.get(asked)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        await pieces.aclose()


async def _next(pieces: AsyncGenerator[T, None]) -> object:
    return await anext(pieces, _END)


def connect(
    url: str | None = None, token: str | None = None, *, notice: Notice | None = None, **settings: object
) -> Connection:
    """A connection to the server at `url`, or to the one that the environment or `cmdexec login` names, or to this
    user's own that runs here.

        with cmdexec.connect() as c:
            print(c.run("echo hello").text)

    notice     told once each time that the server is away or busy for longer than `tell_after_sec`
    settings   of the client, by field; they count before the environment

    Nothing is sent before the first call. Raises SettingsError.
    """
    named = {"server_url": url, "token": token}
    flags = settings | {name: value for name, value in named.items() if value is not None}
    return Connection(load(ClientSettings, flags=flags).settings, notice)
