"""Staying connected: one socket after another, until the worker ends."""

import asyncio
from collections.abc import Callable

import aiohttp

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.http import connect, session
from cmdexec.link.socket import Close, Ended, Limits, Socket
from cmdexec.model.backoff import reconnect_wait
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.conversation import Conversation
from cmdexec.worker.identity import WorkerIdentity
from cmdexec.worker.lease import Lease

_REFUSED = frozenset({"unauthorized", "forbidden", "protocol_mismatch", "bad_settings"})
_REFUSED_CLOSES = frozenset({Close.UNAUTHENTICATED, Close.FORBIDDEN})

Converse = Callable[[Socket], Conversation]
"""Makes the conversation of a new socket."""


class Connection:
    """The worker's connection to its server.

    online    the server knows us now
    """

    def __init__(
        self, url: str, who: WorkerIdentity, converse: Converse, *, lease: Lease, holds: Callable[[], bool],
        disconnected: Callable[[], None], settings: WorkerSettings, runtime: Runtime,
    ) -> None:  # fmt: skip
        self._url, self._who, self._converse = url, who, converse
        self._lease, self._holds, self._disconnected = lease, holds, disconnected
        self._settings, self._runtime = settings, runtime
        self._conversation: Conversation | None = None
        self._socket: Socket | None = None
        self._closing = asyncio.Event()
        self._failures = 0
        self._said: str | None = None

    @property
    def online(self) -> bool:
        return self._conversation is not None and self._conversation.welcomed

    def close(self) -> None:
        """End it: what waits to be sent is sent."""
        self._closing.set()
        if self._socket is not None:
            self._socket.close(Close.NORMAL, "The worker ends.")

    async def run(self) -> None:
        """Connect, and connect again, until `close`. Raises CmdexecError("replaced") when another process of this
        worker has taken its place."""
        async with session(connect_timeout_sec=self._settings.connect_timeout_sec) as http:
            while not self._closing.is_set():
                hint, wrong = await self._once(http)
                if not self._closing.is_set():
                    await self._pause(hint, wrong)

    async def _once(self, http: aiohttp.ClientSession) -> tuple[float | None, CmdexecError]:
        """One connection, from its beginning to its end: the server's wish when to come back, and why it ended."""
        clock = self._runtime.clock
        try:
            headers = await self._runtime.threads.run(lambda: self._who.headers(clock))
            async with asyncio.timeout(self._settings.connect_timeout_sec):
                ws = await connect(http, self._url, headers, Limits.of(self._settings))
        except TimeoutError:
            self._failures += 1
            return None, Unavailable("server_away", f"The server at {self._url} did not answer in time.")
        except CmdexecError as wrong:
            self._failures += 1
            asked = isinstance(wrong, Unavailable) and wrong.code != "server_away"
            return (getattr(wrong, "retry_after", None) if asked else None), wrong
        self._socket = Socket(ws, Limits.of(self._settings), self._runtime)
        self._conversation = talk = self._converse(self._socket)
        since = clock.elapsed()
        try:
            ended = await self._talk(self._socket, talk)
        finally:
            self._conversation = self._socket = None
            self._disconnected()
        lived = talk.welcomed and clock.elapsed() - since >= self._settings.reconnect_max_sec
        self._failures = 0 if lived else self._failures + 1
        return talk.come_back_sec, self._why(talk, ended)

    async def _talk(self, socket: Socket, talk: Conversation) -> Ended:
        talk.introduce()
        async with asyncio.TaskGroup() as tasks:
            heartbeats = tasks.create_task(talk.heartbeats(), name="heartbeats")
            if self._closing.is_set():
                socket.close()
            ended = await socket.run(talk)
            heartbeats.cancel()
        return ended

    def _why(self, talk: Conversation, ended: Ended) -> CmdexecError:
        if ended.code == Close.REPLACED:
            raise CmdexecError(
                "replaced",
                "Another process of this worker has taken its place, so this one ends.",
                mend="Run one worker for each data folder, and copy no data folder to another machine.",
            )
        failure = talk.failure
        if failure is not None:
            return Refused(failure.code, failure.message, field=failure.field, mend=failure.mend)
        if ended.code in _REFUSED_CLOSES:
            return Refused("unauthorized", ended.reason or "The server does not accept this worker's credential.")
        return Unavailable("server_away", f"The connection to {self._url} ended: {ended.reason or 'it broke'}")

    async def _pause(self, hint: float | None, wrong: CmdexecError) -> None:
        settings, rng = self._settings, self._runtime.rng
        refused = wrong.code in _REFUSED
        if refused:
            wait = settings.reconnect_max_sec * (0.5 + rng.random() / 2)
        else:
            bound = self._lease.lease_sec / 4 if self._lease.lease_sec is not None and self._holds() else None
            wait = reconnect_wait(
                self._failures, rng.random(), settings.reconnect_min_sec, settings.reconnect_max_sec, bound
            )
            if hint is not None:
                asked = hint * (1 + rng.random() / 4)
                wait = max(wait, asked if bound is None else min(asked, bound))
        self._tell(wrong, wait, refused=refused)
        try:
            async with asyncio.timeout(wait):
                await self._closing.wait()
        except TimeoutError:
            pass

    def _tell(self, wrong: CmdexecError, wait: float, *, refused: bool) -> None:
        """Each new reason once; the same again only for those who look closely."""
        if self._said == wrong.message and self._failures:
            self._runtime.log.debug("still not connected", error=str(wrong), wait_sec=round(wait, 3))
            return
        self._said = wrong.message
        if refused:
            self._runtime.log.error("the server refuses this worker; it goes on trying", error=str(wrong))
        else:
            self._runtime.log.warning("not connected; it goes on trying", error=str(wrong), wait_sec=round(wait, 3))
