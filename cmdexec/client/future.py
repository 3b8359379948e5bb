"""A submitted job in the manner of `concurrent.futures`."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar

from cmdexec.client.calls import Client
from cmdexec.client.follow import Followed
from cmdexec.client.results import JobCancelled, Result
from cmdexec.protocol.requests import JobView

P = ParamSpec("P")
T = TypeVar("T")


class Asks(Protocol):
    """What a job wants of its `Connection`."""

    client: Client

    def call(
        self, method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    def each(self, pieces: AsyncIterator[T]) -> Iterator[T]: ...


class Job(Future[Result]):
    """One job of a server. It is a Future, so `as_completed`, `wait` and `asyncio.wrap_future` know what to do with it.

    `result(timeout)` gives its Result when it has ended, or raises JobFailed, JobCancelled, or the CmdexecError for
    which it cannot be learned; `exception(timeout)` gives those. A TimeoutError ends the waiting and not the job.
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

    def status(self) -> JobView:
        """Ask the server how it stands now."""
        if not self.done():
            self.view = self._connection.call(Client.status, self.id)
        return self.view

    def cancel(self) -> bool:
        """Ask the job to end. True: it did not begin, or its end is under way; False: it has ended already.

        Waits for the server's answer, and not for the job: `result()` does that, and raises JobCancelled.
        """
        if self.done():
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

    def follow(self) -> Iterator[Followed]:
        """What it writes, as it writes it: Piece for Piece, NewAttempt where it runs again, at last Ended."""
        return self._connection.each(self._connection.client.follow(self.id))
