"""What all calls have in common: one session, tries that are made again, and how the answer is read."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from cmdexec.client.access import Access
from cmdexec.client.exchange import Exchange
from cmdexec.client.patience import Notice, Patience
from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.link.http import session
from cmdexec.link.socket import Limits
from cmdexec.runtime import Runtime
from cmdexec.settings.client import ClientSettings

T = TypeVar("T")


class Caller:
    """A caller of one server, used in `async with`.

    A call that finds the server away or busy is made again until `patience_sec` is over. Only a server that is known to
    be one is waited for when it is away: it has answered this caller, or a login or `runtime.json` tells of it. Else
    its address may be wrong, and the first try is the only one. Every call raises CmdexecError: with the server's code
    and sentences, or `server_away`.

    find     where the server is and what to show it; asked again after each failure
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

    @property
    def answers(self) -> int:
        """How many answers have begun to come."""
        return 0 if self._exchange is None else self._exchange.answers

    def patience(self) -> Patience:
        """The waits of one thing that is tried again and again."""
        return Patience(self.settings, self.runtime, self._notice)

    @asynccontextmanager
    async def open(
        self, operation: str, request: Any, *, headers: Mapping[str, str], silence_sec: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One try of a call whose answer is read as it comes, however long it is; `silence_sec`: between two pieces."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.settings.connect_timeout_sec,
            sock_read=self.settings.request_timeout_sec if silence_sec is None else silence_sec,
        )  # fmt: skip
        async with self._opened().open(operation, request, headers=headers, timeout=timeout) as answer:
            yield answer

    async def open_socket(self, limits: Limits) -> aiohttp.ClientWebSocketResponse:
        """One try to open the server's socket. Raises CmdexecError."""
        return await self._opened().socket(limits, within=self.settings.connect_timeout_sec)

    def worth_waiting(self, wrong: Unavailable) -> bool:
        """Whether to try again: of a server that is away only if it is known to be one."""
        return wrong.code != "server_away" or self._opened().met

    async def _call(
        self, operation: str, request: Any, kind: type[T], *, headers: Mapping[str, str] | None = None,
        anonymous: bool = False, patient: bool = True, patience: Patience | None = None,
    ) -> T:  # fmt: skip
        """One call, made again while that may help."""
        patience, exchange = patience or self.patience(), self._opened()
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
