"""The calls, one method an operation."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeVar

import aiohttp
import msgspec

from cmdexec.client.access import Access
from cmdexec.client.exchange import Exchange
from cmdexec.client.patience import Notice, Patience
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.http import session
from cmdexec.protocol import accounts, fleet, listing, requests
from cmdexec.protocol.requests import CancelView, HealthView, JobView, LoggedIn, NewJob, WorkerView
from cmdexec.runtime import Runtime
from cmdexec.settings.client import ClientSettings

T = TypeVar("T")

_READ_PIECE = 256 * 1024

_IDS_PER_CALL = requests.STATUS_MAX
"""They stand in the address, whose length a server bounds."""


class Client:
    """A caller of one server.

    A call that finds the server away or busy is made again until `patience_sec` is over, but not if that server has
    never answered: then it is not there, or its address is wrong. Every call raises CmdexecError: with the server's
    code and sentences, or `server_away`.

    notice   told when waiting gets long
    """

    def __init__(
        self, find: Callable[[], Access], *, settings: ClientSettings, runtime: Runtime, notice: Notice | None = None
    ) -> None:
        self.settings = settings
        self.runtime = runtime
        self._find = find
        self._notice = notice
        self._exchange: Exchange | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = session(connect_timeout_sec=self.settings.connect_timeout_sec)
        self._exchange = Exchange(self._session, self._find, self.runtime.threads)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = self._exchange = None

    @property
    def asked(self) -> str | None:
        """The address of the server that has been asked and has not begun to answer; None if there is none."""
        return None if self._exchange is None else self._exchange.asked

    async def login(self, email: str, password: str) -> LoggedIn:
        """Exchange a password for a token. Raises Refused("bad_credentials")."""
        request = requests.Login(email=email, password=password)
        return await self._call("auth.login", request, LoggedIn, anonymous=True)

    async def logout(self) -> None:
        """End the login that the token is of."""
        await self._call("auth.logout", requests.Nothing(), accounts.Empty, patient=False)

    async def me(self) -> accounts.MeView:
        """Whose token it is, and what it allows."""
        return await self._call("auth.me", requests.Nothing(), accounts.MeView)

    async def health(self) -> HealthView:
        """How the server is."""
        return await self._call("health", requests.Nothing(), HealthView)

    async def submit(self, job: NewJob, *, key: str | None = None) -> JobView:
        """Submit one job; it is on the server's disk when this returns.

        `key` makes the call safe to repeat for 72 hours by whoever makes it; without one, repeats that this call itself
        makes are safe.
        """
        return await self._call("jobs.create", job, JobView, headers=self._key(key))

    async def submit_all(self, jobs: Sequence[NewJob], *, key: str | None = None) -> tuple[JobView, ...]:
        """Submit up to 1,000 jobs, all or none; they come back in the order given."""
        answer = await self._call("jobs.create", list(jobs), requests.JobsView, headers=self._key(key))
        return answer.jobs

    async def status(self, job_id: str, *, patient: bool = True) -> JobView:
        """How a job stands; not `patient`: as far as that can be had now."""
        return await self._call("jobs.status", requests.JobQuery(job_id=(job_id,)), JobView, patient=patient)

    async def statuses(self, job_ids: Sequence[str]) -> tuple[JobView, ...]:
        """How jobs stand, in the order asked."""
        found: list[JobView] = []
        for begin in range(0, len(job_ids), _IDS_PER_CALL):
            piece = tuple(job_ids[begin : begin + _IDS_PER_CALL])
            if len(piece) == 1:
                found.append(await self.status(piece[0]))
                continue
            answer = await self._call("jobs.status", requests.JobQuery(job_id=piece), requests.JobsView)
            found += answer.jobs
        return tuple(found)

    async def cancel(self, *job_ids: str) -> tuple[CancelView, ...]:
        """End jobs; says of each what happened."""
        answer = await self._call("jobs.cancel", requests.CancelJobs(job_id=job_ids), requests.CancelledView)
        return answer.jobs

    async def jobs_page(self, query: listing.JobsQuery) -> listing.JobsPage:
        """A page of a list of jobs; `next` of it is the `cursor` of the page after."""
        return await self._call("jobs.list", query, listing.JobsPage)

    async def rerun(self, job_id: str, *, key: str | None = None) -> JobView:
        """Submit anew what a job was asked to do; the new job. `key` as of `submit`."""
        return await self._call("jobs.rerun", listing.RerunJob(job_id=job_id), JobView, headers=self._key(key))

    async def requeue(self, job_id: str, *, accept_duplicate: bool = False) -> JobView:
        """Run a job again whose fate is not known; `accept_duplicate`: though it may run twice."""
        request = listing.RequeueJob(job_id=job_id, accept_duplicate=accept_duplicate)
        return await self._call("jobs.requeue", request, JobView)

    async def workers(self) -> tuple[WorkerView, ...]:
        """All workers that the server knows."""
        answer = await self._call("workers.list", requests.Nothing(), requests.WorkersView)
        return answer.workers

    async def worker(self, worker_id: str) -> WorkerView:
        """One worker."""
        return await self._call("workers.get", fleet.WorkerId(worker_id=worker_id), WorkerView)

    async def change_worker(self, change: fleet.ChangeWorker) -> WorkerView:
        """Drain a worker, let it take jobs again, name it, label it."""
        return await self._call("workers.change", change, WorkerView)

    async def revoke_worker(self, worker_id: str) -> WorkerView:
        """Shut a worker out for good."""
        return await self._call("workers.revoke", fleet.WorkerId(worker_id=worker_id), WorkerView)

    async def create_join_token(self, new: accounts.NewJoinToken) -> accounts.JoinTokenView:
        """Make a token that machines become workers with; only this answer tells it."""
        return await self._call("join_tokens.create", new, accounts.JoinTokenView)

    async def join_tokens(self) -> tuple[accounts.JoinTokenView, ...]:
        """All join tokens, without what is secret of them."""
        answer = await self._call("join_tokens.list", requests.Nothing(), accounts.JoinTokensView)
        return answer.join_tokens

    async def revoke_join_token(self, join_token_id: str) -> accounts.JoinTokenView:
        """Let nobody join with it any more."""
        request = accounts.JoinTokenId(join_token_id=join_token_id)
        return await self._call("join_tokens.revoke", request, accounts.JoinTokenView)

    async def create_user(self, new: accounts.NewUser) -> accounts.UserRowView:
        """Add a user; a password that the server made is told in this answer alone."""
        return await self._call("users.create", new, accounts.UserRowView)

    async def users(self) -> tuple[accounts.UserRowView, ...]:
        """All users."""
        answer = await self._call("users.list", requests.Nothing(), accounts.UsersView)
        return answer.users

    async def change_user(self, change: accounts.ChangeUser) -> accounts.UserRowView:
        """Change a user's role or password, or shut the user out."""
        return await self._call("users.change", change, accounts.UserRowView)

    async def output(
        self, job_id: str, stream: Literal["stdout", "stderr"] = "stdout", *, attempt: int | None = None,
        start: int = 0, end: int | None = None,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """The stored bytes [start, end) of a stream in pieces; `end` None: as far as it goes.

        A broken connection is taken up where it broke.
        """
        patience = self.patience()
        request = requests.OutputQuery(job_id=job_id, stream=stream, attempt=attempt)
        while end is None or start < end:
            last = "" if end is None else str(end - 1)
            headers = {"Range": f"bytes={start}-{last}", "Accept": "application/octet-stream"}
            try:
                async with self.open("jobs.output", request, headers=headers) as answer:
                    if answer.status != 206 and (start > 0 or end is not None):
                        raise CmdexecError("protocol_mismatch", "The server does not answer by byte range.")
                    async for piece in answer.content.iter_chunked(_READ_PIECE):
                        start += len(piece)
                        patience.answered()
                        yield piece
                return
            except Unavailable as wrong:
                if not self.worth_waiting(wrong):
                    raise
                await patience.wait(wrong)
            except CmdexecError as wrong:
                if wrong.code == "range_not_satisfiable":
                    return  # nothing is stored from `start` on
                raise

    def patience(self) -> Patience:
        """The waits of one call."""
        return Patience(self.settings, self.runtime, self._notice)

    @asynccontextmanager
    async def open(
        self, operation: str, request: Any, *, headers: Mapping[str, str] | None = None,
        silence_sec: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:  # fmt: skip
        """One try of a call whose answer is read as it comes, however long it is; `silence_sec`: between two pieces."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.settings.connect_timeout_sec,
            sock_read=self.settings.request_timeout_sec if silence_sec is None else silence_sec,
        )  # fmt: skip
        async with self._opened().open(operation, request, headers=headers, timeout=timeout) as answer:
            yield answer

    def worth_waiting(self, wrong: Unavailable) -> bool:
        """Whether the server is known to be there: one that never answered is not waited for."""
        return wrong.code != "server_away" or self._opened().met

    async def _call(
        self, operation: str, request: Any, kind: type[T], *, headers: Mapping[str, str] | None = None,
        anonymous: bool = False, patient: bool = True,
    ) -> T:  # fmt: skip
        """One call, made again while that may help."""
        patience, exchange = self.patience(), self._opened()
        timeout = aiohttp.ClientTimeout(
            total=self.settings.request_timeout_sec, sock_connect=self.settings.connect_timeout_sec
        )
        while True:
            try:
                async with exchange.open(
                    operation, request, headers=headers, timeout=timeout, anonymous=anonymous
                ) as answer:
                    return _decoded(await answer.read(), kind)
            except Unavailable as wrong:
                if not patient or not self.worth_waiting(wrong):
                    raise
                await patience.wait(wrong)

    def _opened(self) -> Exchange:
        if self._exchange is None:
            raise RuntimeError("A Client is used inside `async with`.")
        return self._exchange

    def _key(self, key: str | None) -> Mapping[str, str]:
        return {"Idempotency-Key": key or self.runtime.ids.new()}


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise CmdexecError(
            "protocol_mismatch", "The server's answer is not what this version of cmdexec understands.",
            mend="Use the same version of cmdexec on both sides.",
        ) from wrong  # fmt: skip
