"""A submitted job in the manner of `concurrent.futures`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar

from cmdexec.client.calls import Client
from cmdexec.client.follow import Followed, Start
from cmdexec.client.results import JobCancelled, Result
from cmdexec.client.waiting import ENDS
from cmdexec.protocol.requests import JobView

P = ParamSpec("P")
T = TypeVar("T")


class Asks(Protocol):
    """What a job wants of its `Connection`."""

    @property
    def client(self) -> Client: ...

    def call(
        self, method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    def each(self, pieces: AsyncIterator[T]) -> Iterator[T]: ...

    def check(self) -> None: ...


class Job(Future[Result]):
    """One job of a server. It is a Future, so `as_completed` and `wait` know what to do with it. In a coroutine of any
    event loop, `await job` gives what `result()` does.

    `result(timeout)` gives its Result when it has ended, or raises JobFailed, JobCancelled, or the CmdexecError for
    which it cannot be learned; `exception(timeout)` gives those. Whatever ends the waiting, as a timeout, does not end
    the job.
    Callbacks run in the connection's own thread and must not block: what they want of the connection another thread
    has to ask.

    id     the job's id
    view   how it stood when it was last looked at
    """

    def __init__(self, connection: Asks, view: JobView) -> None:
        super().__init__()
        self._connection = connection
        self.view = view

    @property
    def id(self) -> str:
        return self.view.job_id

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.view.status}>"

    def __await__(self) -> Generator[Any, None, Result]:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Result] = loop.create_future()

        def tell() -> None:
            if told.done():
                return
            wrong = self.exception()
            if wrong is None:
                told.set_result(self.result())
            else:
                told.set_exception(wrong)

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # that loop has been closed meanwhile
                loop.call_soon_threadsafe(tell)

        self._connection.check()
        self.add_done_callback(ended)
        return told.__await__()

    def result(self, timeout: float | None = None) -> Result:
        self._connection.check()
        try:
            return super().result(timeout)
        except TimeoutError:
            raise self._not_yet() from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._connection.check()
        try:
            return super().exception(timeout)
        except TimeoutError:
            raise self._not_yet() from None

    def _not_yet(self) -> TimeoutError:
        return TimeoutError(f"Job {self.id} has not ended in time. It goes on: wait for it again, or cancel it.")

    def status(self) -> JobView:
        """Ask the server how it stands now."""
        if not self.done():
            self._connection.call(self._look)
        return self.view

    async def _look(self, client: Client) -> None:
        """In the connection's thread, as all that sets `view`: an answer may be older than the end that is known."""
        view = await client.status(self.id)
        if self.view.status not in ENDS:
            self.view = view

    def cancel(self) -> bool:
        """Ask the job to end. True: it did not begin, or its end is under way; False: it has ended already.

        Waits for the server's answer, and not for the job: `result()` does that, and raises JobCancelled.
        """
        if self.done() or _called_by_a_loop():
            return False
        (told,) = self._connection.call(Client.cancel, self.id)
        return told.outcome in ("cancelled", "asked")

    def cancelled(self) -> bool:
        """Whether it has ended since it was cancelled."""
        return self.done() and isinstance(self.exception(), JobCancelled)

    def running(self) -> bool:
        """Ask whether it runs now."""
        return self.status().status == "running"

    def output(self, stream: Literal["stdout", "stderr"] = "stdout", *, start: int = 0) -> Iterator[bytes]:
        """What is stored of a stream by now, from byte `start` on, in pieces."""
        client = self._connection.client
        return self._connection.each(client.output(self.id, stream, start=start))

    def follow(self, start: Start | None = None) -> Iterator[Followed]:
        """What it writes, as it writes it, from its beginning or from `start` on: Piece for Piece, NewAttempt where it
        runs again, at last Ended."""
        return self._connection.each(self._connection.client.follow(self.id, start))


def _called_by_a_loop() -> bool:
    """Whether an event loop itself calls, and no task of it: for a future of asyncio that was put around a job and is
    waited for no longer. Nobody asked for the job's end then, and the loop must not wait for a server."""
    try:
        return asyncio.get_running_loop() is not None and asyncio.current_task() is None
    except RuntimeError:
        return False
