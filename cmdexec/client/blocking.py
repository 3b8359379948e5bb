"""The client for programs without an event loop of their own, in the manner of `concurrent.futures`.

All calls go to one background thread, from however many threads.
"""

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast

from cmdexec.client.background import FORKED, Background
from cmdexec.client.calls import Client
from cmdexec.client.future import Job
from cmdexec.client.opening import client_settings
from cmdexec.client.patience import Notice
from cmdexec.client.results import JobFailed, Result, collect
from cmdexec.client.template import Command, Item, filled
from cmdexec.client.wanted import Fields, new_job, said_of_fields
from cmdexec.errors import CmdexecError, Refused
from cmdexec.protocol.listing import JobRow, JobsQuery
from cmdexec.protocol.requests import JobView, NewJob
from cmdexec.settings.client import ClientSettings

P = ParamSpec("P")
T = TypeVar("T")

_END = object()


class Connection:
    """A server, and everything that can be asked of it. Use it in `with`, or `close` it; threads may share it, and
    processes that are forked may not.

    Closing ends no job: those that are under way go on, and their futures raise. One that is forgotten is closed.
    """

    def __init__(self, settings: ClientSettings, notice: Notice | None = None) -> None:
        self._background = Background(settings, notice)
        self._jobs: set[Job] = set()  # that have not ended: nothing else keeps them, so both may be forgotten together
        weakref.finalize(self, self._background.stop).atexit = False

    @property
    def client(self) -> Client:
        """The client that makes the calls, in a thread of its own: see `call`."""
        return self._background.client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is asked and the thread; twice is fine. Jobs go on."""
        self._background.close()

    def check(self) -> None:
        """Raises RuntimeError in a process that was forked from the one that connected."""
        if self._background.forked:
            raise RuntimeError(FORKED)

    # Jobs

    def run(self, command: Command, *, check: bool = True, **fields: Unpack[Fields]) -> Result:
        """Run one command, and wait for what it comes to.

            c.run("make -C /srv/project test", cpu=2, timeout_sec=600).text

        It starts in an empty folder of its own, its HOME too, which is deleted when it ends: what shall stay it writes
        to its output, or into a folder that is named in full. Raises JobFailed if it fails; without `check` only where
        it has no result: its output was too long. An exception while it is waited for, as of Ctrl-C, asks the job to
        end.
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
        """Submit one command; its job is on the server's disk when this returns. `key` as of `Client.submit`.

        An exception while that is waited for, as of Ctrl-C, cancels the job that may come of it yet.
        """
        return self._submit([new_job(command, **fields)], key, one=True)[0]

    def submit_all(self, jobs: Iterable[NewJob], *, key: str | None = None) -> list[Job]:
        """Submit any number of jobs, in lists of up to 1,000, each all or none. `key` as of `Client.submit_many`.

        An exception while that is waited for, as of Ctrl-C, cancels them.
        """
        return self._submit(list(jobs), key)

    def map(
        self, template: Command, items: Iterable[Item], *, check: bool = True, timeout: float | None = None,
        key: str | None = None, **fields: Unpack[Fields],
    ) -> Iterator[Result]:  # fmt: skip
        """Run one command for each item, all at once, and give what they come to in the order of the items.

            for result in c.map("convert {} png:-", paths): result.stdout …
            for result in c.map(["render", "--frame", "{n}"], ({"n": n} for n in range(100))): …

        `{}` is where the item stands, `{name}` where that of a mapping does; in a line for the shell text is quoted,
        and ValueError raised where it cannot be (`template.filled`), before anything is submitted. All jobs are
        submitted before this returns. A job that failed raises JobFailed when its turn comes, unless not `check`; those
        behind it go on. `timeout`: seconds from now for all of them together. `key` as of `submit_all`.
        """
        if isinstance(items, str | bytes | Mapping):
            raise TypeError(f"items is a single {type(items).__name__}. Give a list of items.")
        end = None if timeout is None else self.client.runtime.clock.elapsed() + timeout
        jobs = self.submit_all([new_job(filled(template, item), **fields) for item in items], key=key)
        return self._results(jobs, check, end)

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
        """Any call of the client, by its method: `c.call(Client.workers)`, `c.call(Client.rerun, job_id)`.

        Those that give one thing after the other are for `each`. Raises TypeError for them.
        """
        work = method(self.client, *args, **kwargs)
        if not isinstance(cast("object", work), Coroutine):
            name = getattr(method, "__name__", "it")
            raise TypeError(f"Client.{name} gives one thing after the other: for one in c.each(c.client.{name}(…)).")
        return self._background.ask(work)

    def each(self, pieces: AsyncIterator[T]) -> Iterator[T]:
        """What an iterator of `client` gives, one after the other. Leaving it early ends what it does."""
        asked: Future[object] | None = None
        generator = cast("AsyncGenerator[T, None]", pieces)
        try:
            while True:
                asked = self._background.post(_next(generator))
                found = asked.result()
                if found is _END:
                    return
                yield cast("T", found)
        finally:
            with suppress(RuntimeError):  # the connection was closed, and has ended it
                self._background.ask(self._background.end(generator, asked))

    def _submit(self, jobs: list[NewJob], key: str | None, *, one: bool = False) -> list[Job]:
        client, patience = self.client, self.client.patience()

        async def submitted() -> list[JobView]:
            if one:
                return [await client.submit(jobs[0], key=key, patience=patience)]
            return await client.submit_many(jobs, key=key, patience=patience)

        try:
            return self._background.submit(submitted(), patience, lambda views: [self._job(view) for view in views])
        except Refused as wrong:
            raise said_of_fields(wrong) from wrong

    def _job(self, view: JobView) -> Job:
        job = Job(self, view)
        known = weakref.ref(job)
        ended = self._background.post(_to_its_end(self._background, known, job.id), inside=True)
        self._jobs.add(job)
        ended.add_done_callback(partial(_tell, known, weakref.ref(self)))
        return job

    def _results(self, jobs: Sequence[Job], check: bool, end: float | None) -> Iterator[Result]:
        clock = self.client.runtime.clock
        for job in jobs:
            try:
                yield job.result(None if end is None else max(0.0, end - clock.elapsed()))
            except JobFailed as failed:
                if check or failed.result is None:
                    raise
                yield failed.result


async def _to_its_end(background: Background, known: weakref.ref[Job], job_id: str) -> Result:
    view = await background.client.wait(job_id)
    if (job := known()) is not None:
        job.view = view
    del job
    async with background.collecting:
        return await collect(background.client, view)


def _tell(known: weakref.ref[Job], connection: weakref.ref[Connection], ended: Future[Result]) -> None:
    """Hand on to the job what came of it."""
    job, by = known(), connection()
    if job is None or by is None:
        return
    wrong = ended.exception()
    if wrong is None:
        job.set_result(ended.result())
    else:
        job.set_exception(wrong)
    by._jobs.discard(job)


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

    Nothing is sent before the first call. Raises TypeError for what is no setting, and SettingsError.
    """
    return Connection(client_settings(url, token, settings), notice)
