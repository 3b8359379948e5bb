"""The two ways to a server, each from its opening to its end: over a socket, and by polling over HTTP."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.http import Blocked, blocked, connect, hang_up, passes
from cmdexec.link.socket import Close, Ended, Limits, Socket
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.conversation import Conversation
from cmdexec.worker.identity import WorkerIdentity
from cmdexec.worker.line import Line
from cmdexec.worker.polling import HttpLine
from cmdexec.worker.polling_bodies import Bodies

Converse = Callable[[Line, str], Conversation]
"""Makes the conversation of a new line; the word says for people which way it goes."""

_REFUSED_CLOSES = {int(Close.UNAUTHENTICATED): "unauthorized", int(Close.FORBIDDEN): "forbidden"}
_OWN_CLOSES = 4000
"""From here on a close code is a program's own (RFC 6455, 7.4.2): the server's, not a proxy's."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How one try went.

    why         its end, for people and for what comes next
    registered  the server took the worker
    lived_sec   how long after that it lasted
    hint_sec    when the server wishes to be asked again
    blocked     whether it looks as if no WebSocket gets through
    carried     more than its beginning got through
    served      jobs can be had this way, as far as is known
    away        nothing answers there at all
    socket      a socket that has opened meanwhile, for the conversation to go on over
    """

    why: CmdexecError
    registered: bool = False
    lived_sec: float = 0.0
    hint_sec: float | None = None
    blocked: Blocked = Blocked.NO
    away: bool = False
    carried: bool = False
    served: bool = True
    socket: aiohttp.ClientWebSocketResponse | None = None


class Ways:
    """One try at a time. `replaced` is raised by either way when another process has taken the worker's place.

    online  the server knows us now
    """

    def __init__(
        self, url: str, who: WorkerIdentity, converse: Converse, *, free: Callable[[], int],
        disconnected: Callable[[], None], closing: asyncio.Event, settings: WorkerSettings, runtime: Runtime,
    ) -> None:  # fmt: skip
        self._url, self._who, self._converse, self._free = url, who, converse, free
        self._disconnected, self._closing = disconnected, closing
        self._settings, self._runtime = settings, runtime
        self._limits, self._log = Limits.of(settings), runtime.log
        self._polled = False
        self._bodies = Bodies()
        self._connections, self._lists = itertools.count(1), itertools.count(1)
        self._talk: Conversation | None = None
        self._line: Line | None = None

    @property
    def online(self) -> bool:
        return self._talk is not None and self._talk.welcomed

    def move_to(self, url: str) -> None:
        """From the next try on the server is at `url`."""
        if url != self._url:
            self._log.info("the server is elsewhere now", url=url)
        self._url = url

    def close(self) -> None:
        """End what there is: what waits to be sent is sent."""
        if self._line is not None:
            self._line.close(Close.NORMAL, "The worker ends.")

    async def by_socket(
        self, http: aiohttp.ClientSession, opened: aiohttp.ClientWebSocketResponse | None = None
    ) -> Tried:
        """Over a socket, `opened` already or to be opened."""
        try:
            ws = opened or await self._open(http)
        except CmdexecError as wrong:
            asked = isinstance(wrong, Unavailable) and wrong.code != "server_away"
            hint = wrong.retry_after if asked and isinstance(wrong, Unavailable) else None
            return Tried(wrong, hint_sec=hint, blocked=blocked(wrong))
        try:
            line = Socket(ws, self._limits, self._runtime)
            talk, ended, lived = await self._converse_over(line, "WebSocket")
        finally:
            await hang_up(ws)
        self._polled = self._polled and not talk.registered.is_set()
        silent = not talk.heard and ended.code < _OWN_CLOSES
        broke = ended.code == Close.ABNORMAL or (ended.ours and ended.code == Close.TOO_SLOW)
        return Tried(
            self._why(talk, ended), talk.registered.is_set(), lived, talk.come_back_sec,
            Blocked.PERHAPS if silent or (broke and not talk.carried) else Blocked.NO, carried=talk.carried,
        )  # fmt: skip

    async def by_polling(self, http: aiohttp.ClientSession, why: str) -> Tried:
        """Over HTTP, until it breaks or a socket opens. `why`: what is wrong with sockets, for the log."""
        line = HttpLine(
            http, self._url, self._headers, self._free, self._bodies, settings=self._settings, runtime=self._runtime
        )
        found: list[aiohttp.ClientWebSocketResponse] = []

        async def look_for_socket(talk: Conversation) -> None:
            await talk.registered.wait()
            if not self._polled:
                self._log.warning("the socket is blocked; polling over HTTP until it opens", why=why)
            self._polled = True
            found.append(await self._socket_again(http))
            self._log.info("the socket opens again; polling ends")
            line.hand_over()

        talk, ended, lived = await self._converse_over(line, "polling", look_for_socket)
        away = line.lost is not None and blocked(line.lost) is Blocked.NO
        return Tried(
            self._why(talk, ended), talk.registered.is_set(), lived, talk.come_back_sec, Blocked.NO, away,
            talk.carried, line.served, found[0] if found else None,
        )  # fmt: skip

    async def _converse_over(
        self, line: Line, way: str, beside: Callable[[Conversation], Coroutine[Any, Any, None]] | None = None
    ) -> tuple[Conversation, Ended, float]:
        self._line, self._talk = line, self._converse(line, way)
        talk, clock = self._talk, self._runtime.clock
        since = clock.elapsed()
        try:
            ended = await self._until_over(line, talk, beside)
        finally:
            self._line = self._talk = None
            self._disconnected()
        return talk, ended, clock.elapsed() - since if talk.welcomed else 0.0

    async def _until_over(
        self, line: Line, talk: Conversation, beside: Callable[[Conversation], Coroutine[Any, Any, None]] | None
    ) -> Ended:
        talk.introduce(next(self._connections), self._lists)
        if self._closing.is_set():
            self.close()
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(line.run(talk), name="line")
            others = [tasks.create_task(self._until_silent(talk), name="heartbeats")]
            if beside is not None:
                others.append(tasks.create_task(beside(talk), name="a look for another line"))
            await asyncio.wait([run, others[0]], return_when=asyncio.FIRST_COMPLETED)
            run.cancel()  # if it still runs, nobody is at its other end, and it cannot be ended by words
            await asyncio.wait([run])
            for other in others:
                other.cancel()
        if run.cancelled():
            return Ended(Close.ABNORMAL, "Nothing was answered for too long.", ours=True)
        return run.result()

    async def _until_silent(self, talk: Conversation) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_sec):
                await talk.registered.wait()
        except TimeoutError:
            return
        await talk.heartbeats()

    async def _open(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_sec):
                return await connect(http, self._url, await self._headers(), self._limits)
        except TimeoutError as wrong:
            raise Unavailable("server_away", f"The server at {self._url} did not answer in time.") from wrong

    async def _socket_again(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """A socket, once one opens and carries something."""
        settings, runtime = self._settings, self._runtime
        while True:
            await runtime.clock.sleep(settings.socket_retry_sec * (1 + runtime.rng.random() / 4))
            try:
                async with asyncio.timeout(settings.connect_timeout_sec):
                    await passes(http, self._url, await self._headers(), self._limits)
                return await self._open(http)
            except (CmdexecError, TimeoutError) as wrong:
                self._log.debug("the socket is still blocked", error=str(wrong))

    async def _headers(self) -> Mapping[str, str]:
        return await self._runtime.threads.run(lambda: self._who.headers(self._runtime.clock))

    def _why(self, talk: Conversation, ended: Ended) -> CmdexecError:
        failure = talk.failure
        if ended.code == Close.REPLACED and (failure is None or failure.code != "cloned"):
            raise CmdexecError(
                "replaced",
                "Another process of this worker has taken its place, so this one ends.",
                mend="Run one worker for each data folder, and copy no data folder to another machine.",
            )
        if failure is not None:
            return Refused(failure.code, failure.message, field=failure.field, mend=failure.mend)
        if (code := _REFUSED_CLOSES.get(int(ended.code))) is not None:
            return Refused(code, ended.reason or "The server does not accept this worker's credential.")
        return Unavailable("server_away", f"The connection to {self._url} ended: {ended.reason or 'it broke'}")
