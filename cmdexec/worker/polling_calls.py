"""A worker's calls to its server over HTTP: by operation, with its own headers, judged by who answered."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import aiohttp
import msgspec

from cmdexec.errors import Unavailable
from cmdexec.link.http import away, own_failure
from cmdexec.model.backoff import reconnect_wait
from cmdexec.protocol.operations import BY_NAME, ROUTES
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings

ANSWER_MAX = 64 * 1024 * 1024
"""The largest answer that is read, in bytes: as many jobs as one call may give fit well."""

_PATHS = {route.operation: (route.method, route.path) for route in ROUTES}
_STILL = {name for name, operation in BY_NAME.items() if operation.rate is not None and operation.rate.still}
"""What comes too often is carried out as well, and its 429 holds the answer."""

_PIECE = 64 * 1024
_INSTANCE = "x-worker-instance"
_CONNECTION = "x-worker-connection"


class _Done(msgspec.Struct, frozen=True, rename="camel"):
    """What only the answer to a heartbeat that was carried out has."""

    lease_sec: float


Headers = Callable[[], Awaitable[Mapping[str, str]]]
"""What a request has to carry. Raises CmdexecError."""


class Lost(Exception):
    """A call that no server of ours answered: it may have been carried out, so it is to be said again. `away` says it
    for people."""

    def __init__(self, told: Unavailable) -> None:
        super().__init__(told.message)
        self.away = told


class NotCarried(Lost):
    """What lies between here and the server takes no body of that size."""


class Calls:
    """Calls over one session.

    patient      what is lost is tried again, `call_tries` times in all
    control_sec  how long a call may take that says something of the worker itself: while one hangs, none goes on
    instance_id  the process that calls, so that it is told when another one has taken its place
    connection   which of its connections this is
    answered     how many calls a server of ours has answered
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, headers: Headers, *, settings: WorkerSettings, runtime: Runtime
    ) -> None:
        self.patient = False
        self.control_sec = settings.call_timeout_sec
        self.instance_id: str | None = None
        self.connection = self.answered = 0
        self._http, self._url, self._headers_now = http, url.rstrip("/"), headers
        self._settings, self._clock, self._rng, self._log = settings, runtime.clock, runtime.rng, runtime.log
        self._told = False
        self._headers: Mapping[str, str] = {}
        self._renew_at = 0.0

    async def call(
        self, operation: str, body: bytes | None = None, query: Mapping[str, str] | None = None, *,
        wait_sec: float = 0.0, until: float | None = None, tries_max: int | None = None, control: bool = False,
    ) -> bytes:  # fmt: skip
        """One call, again and again until a server of ours has answered; the body of its answer, empty for 204.

        wait_sec   how long the server may wait before it answers
        until      the moment (elapsed seconds) after which it is not tried again
        tries_max  how often it is tried at most, if that is less than others are
        control    it may take `control_sec` alone

        Raises CmdexecError, as the server refused it, and Lost.
        """
        patience = self.control_sec if control else self._settings.call_timeout_sec
        tries, most = 1, min(self._settings.call_tries, tries_max or self._settings.call_tries)
        while True:
            try:
                return await self._once(operation, body, query, wait_sec + patience)
            except NotCarried:
                raise
            except Lost:
                over = until is not None and self._clock.elapsed() > until
                if not self.patient or tries >= most or over:
                    raise
            if tries > 1:  # the first time it may be an old connection that was closed just now
                settings = self._settings
                least, longest = settings.reconnect_min_sec, settings.reconnect_max_sec
                await self._clock.sleep(reconnect_wait(tries, self._rng.random(), least, longest))
            tries += 1

    async def _once(
        self, operation: str, body: bytes | None, query: Mapping[str, str] | None, within_sec: float
    ) -> bytes:
        method, path = _PATHS[operation]
        headers = dict(await self._own_headers())
        if self.instance_id is not None:
            headers[_INSTANCE] = self.instance_id
        if self.connection:
            headers[_CONNECTION] = str(self.connection)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with (
                asyncio.timeout(within_sec),
                self._http.request(
                    method, self._url + path, params=query, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                read = await self._said(answer, operation)
                self.answered += 1
                return read
        except (aiohttp.ClientError, OSError) as wrong:
            raise Lost(away(self._url, wrong)) from wrong

    async def _said(self, answer: aiohttp.ClientResponse, operation: str) -> bytes:
        """What is answered. Raises CmdexecError for a refusal of a server of ours, and Lost for any other."""
        if answer.status < 300:
            return await _read(answer)
        body = await _read(answer) if answer.status == 429 and operation in _STILL else None
        own = await own_failure(answer, body)
        if own is not None and body is not None and _was_done(body):
            if not self._told:
                self._told = True
                self._log.warning("a heartbeat came too often; it counted all the same", said=own.message)
            return body
        if own is not None:
            self.answered += 1
            raise own
        kind = NotCarried if answer.status == 413 else Lost
        raise kind(
            Unavailable(
                "server_away", f"{self._url} answered {answer.status}, which is no answer of a cmdexec server.",
                mend="Is this its address, and does what lies in between let its routes through?",
            )
        )  # fmt: skip

    async def _own_headers(self) -> Mapping[str, str]:
        """They hold a token, so they are made anew long before that is over."""
        now = self._clock.elapsed()
        if now >= self._renew_at:
            self._headers = await self._headers_now()
            self._renew_at = now + self._settings.worker_token_ttl_sec / 4
        return self._headers


def _was_done(body: bytes) -> bool:
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return bool(msgspec.json.decode(body, type=_Done).lease_sec)
    return False


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > ANSWER_MAX:
            raise aiohttp.ClientPayloadError("too large")
    return bytes(body)
