"""Staying connected: one connection after another, over the socket or, while that is blocked, by polling over HTTP."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

import aiohttp

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.http import Blocked, session
from cmdexec.model.backoff import reconnect_wait
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.identity import WorkerIdentity
from cmdexec.worker.lease import Lease
from cmdexec.worker.ways import Converse, Tried, Ways

_FINAL = "forbidden"
"""The server knows this worker, and wants it no more: it is revoked, or is not the one that it says it is."""

_CLONED = "cloned"
"""Another process has this worker's identity and lives: this one would only be in its way."""

_REFUSED = frozenset({"unauthorized", "protocol_mismatch", "bad_settings", "bad_host"})
_DOUBLINGS = 20
"""So often the wait after a refusal is doubled at most: it has reached its bound long before."""
_DOUBTS = 2
"""So many sockets in a row that may have been blocked are enough to try HTTP."""


class Connection:
    """The worker's connection to its server.

    online    the server knows us now
    why       how the last connection ended, or why there was none
    refused   it was refused, which time alone does not mend
    next_at   when it is tried again (elapsed seconds); None while it is not waited for that
    wait_sec  how long that wait is in all
    where     where the server is now, None where nothing says so; blocking, asked before each connection but the first
    """

    def __init__(
        self, url: str, who: WorkerIdentity, converse: Converse, *, lease: Lease, holds: Callable[[], bool],
        free: Callable[[], int], disconnected: Callable[[], None], settings: WorkerSettings, runtime: Runtime,
        where: Callable[[], str | None] | None = None,
    ) -> None:  # fmt: skip
        self._where = where
        self._closing, self._hurry = asyncio.Event(), asyncio.Event()
        self._ways = Ways(
            url, who, converse, free=free, disconnected=disconnected, closing=self._closing, settings=settings,
            runtime=runtime,
        )  # fmt: skip
        self._lease, self._holds = lease, holds
        self._settings, self._runtime = settings, runtime
        self._failures = self._doubts = self._refusals = 0
        self._polls = False
        self._why_polling = ""
        self._said: str | None = None
        self.why: CmdexecError | None = None
        self.refused = False
        self.next_at: float | None = None
        self.wait_sec = 0.0

    @property
    def online(self) -> bool:
        return self._ways.online

    def close(self) -> None:
        """End it: what waits to be sent is sent."""
        self._closing.set()
        self._hurry.set()
        self._ways.close()

    def try_now(self) -> None:
        """Wait no longer before the next try."""
        self._hurry.set()

    async def run(self) -> None:
        """Connect, and connect again, until `close`. Raises CmdexecError: `replaced` when another process of this
        worker has taken its place, `cloned` when one has it that works elsewhere, `forbidden` when the server wants
        this worker no more."""
        async with session(connect_timeout_sec=self._settings.connect_timeout_sec) as http:
            while not self._closing.is_set():
                tried = await self._once(http)
                self.why = tried.why
                if tried.why.code in (_FINAL, _CLONED) and not self._closing.is_set():
                    raise _unwanted(tried.why) if tried.why.code == _FINAL else tried.why
                lived = tried.served and tried.lived_sec >= self._settings.reconnect_max_sec
                self._failures = 0 if lived else self._failures + 1
                if not self._closing.is_set():
                    await self._pause(tried.hint_sec, tried.why)
                if self._where is not None and (url := await self._runtime.threads.run(self._where)) is not None:
                    self._ways.move_to(url)

    async def _once(self, http: aiohttp.ClientSession) -> Tried:
        """One connection, from its beginning to its end: over a socket, or, where none gets through, over HTTP."""
        tried: Tried | None = None
        if not self._polls:
            tried = await self._ways.by_socket(http)
            if not self._is_blocked(tried):
                return tried
            self._why_polling = str(tried.why)
        while True:
            polled = await self._ways.by_polling(http, self._why_polling)
            self._polls = polled.registered or (self._polls and polled.away)
            if polled.socket is None or self._closing.is_set():
                return polled if tried is None or polled.registered else _neither(tried, polled)
            tried = await self._ways.by_socket(http, polled.socket)
            if tried.registered or self._closing.is_set():
                self._polls = self._is_blocked(tried)
                return tried

    def _is_blocked(self, tried: Tried) -> bool:
        """Whether it is time to try HTTP: one failure may have many reasons, and a server that is away is away for all.
        A socket that worked is tried again first: it carried output or a result, or lived for a lease. One that breaks
        sooner may be let through no further than its beginning."""
        if tried.carried or tried.lived_sec >= (self._lease.lease_sec or math.inf):
            self._doubts = 0
        elif tried.blocked is not Blocked.NO:
            self._doubts += 1 if tried.blocked is Blocked.PERHAPS else _DOUBTS
            return self._doubts >= _DOUBTS
        return False

    async def _pause(self, hint: float | None, wrong: CmdexecError) -> None:
        settings, rng = self._settings, self._runtime.rng
        self.refused = refused = wrong.code in _REFUSED
        self._refusals = self._refusals + 1 if refused else 0
        if refused:
            longest = settings.reconnect_max_sec * 2 ** min(self._refusals - 1, _DOUBLINGS)
            wait = min(longest, settings.refused_max_sec) * (0.5 + rng.random() / 2)
        else:
            bound = self._lease.lease_sec / 4 if self._lease.lease_sec is not None and self._holds() else None
            wait = reconnect_wait(
                self._failures, rng.random(), settings.reconnect_min_sec, settings.reconnect_max_sec, bound
            )
            if hint is not None:
                asked = hint * (1 + rng.random() / 4)
                wait = max(wait, asked if bound is None else min(asked, bound))
        self._tell(wrong, wait, refused=refused)
        self._hurry.clear()
        self.next_at, self.wait_sec = self._runtime.clock.elapsed() + wait, wait
        try:
            async with asyncio.timeout(wait):
                await self._hurry.wait()
        except TimeoutError:
            pass
        finally:
            self.next_at = None

    def _tell(self, wrong: CmdexecError, wait: float, *, refused: bool) -> None:
        """Each new reason once; the same again only for those who look closely, unless it is a refusal: those are few,
        and somebody has to do something about them."""
        if self._said == wrong.message and self._failures and not refused:
            self._runtime.log.debug("still not connected", error=str(wrong), wait_sec=round(wait, 3))
            return
        self._said = wrong.message
        if refused:
            self._runtime.log.error(
                "the server refuses this worker; it goes on trying", error=str(wrong), wait_sec=round(wait, 3)
            )
        else:
            self._runtime.log.warning("not connected; it goes on trying", error=str(wrong), wait_sec=round(wait, 3))


def _unwanted(wrong: CmdexecError) -> CmdexecError:
    """What to say at the end of a worker that its server forbids."""
    again = "With a new token, `cmdexec worker --headless --allow-host --rejoin --join TOKEN` has it join anew."
    said = wrong.mend or ""
    if "join token" in said:
        said = ""  # it says the same, but not how
    mend = said if "--rejoin" in said else f"{said} {again}".lstrip()
    return CmdexecError(_FINAL, wrong.message, field=wrong.field, mend=mend)


def _neither(socket: Tried, polled: Tried) -> Tried:
    """How it went where neither way led to the server. What answered the socket was none of ours, so its words are no
    refusal; the server itself may have said one over HTTP."""
    if socket.blocked is not Blocked.SURELY or not isinstance(polled.why, Unavailable):
        return polled
    return replace(
        polled,
        why=Unavailable(
            "server_away", f"Something before the server opens no socket, and HTTP fails as well: {polled.why.message}",
            mend=polled.why.mend,
        ),
    )  # fmt: skip
