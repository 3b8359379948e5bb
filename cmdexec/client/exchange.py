"""One request and its answer: where it goes, who asks, and what any failure is as an error of ours."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from cmdexec.client.access import RUNTIME_FILE, Access
from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.http import away, connect, failure
from cmdexec.link.socket import Limits
from cmdexec.protocol.operations import ROUTES
from cmdexec.protocol.requests import ErrorBody
from cmdexec.runtime import Threads

_ROUTE_OF = {route.operation: route for route in ROUTES}
_LARGE = 256 * 1024
_KNOWN = frozenset({"login", RUNTIME_FILE})
_OF_A_PROXY = frozenset({502, 504})


class Exchange:
    """`find` is asked at first and after each failure, since a server that was started anew may have another port and
    another token. `met`: the server has answered once: now, or as a login or `runtime.json` shows, earlier. `asked`:
    whom the newest request waits for, None when it is answered. `answers`: how many have begun to come."""

    def __init__(self, session: aiohttp.ClientSession, find: Callable[[], Access], threads: Threads) -> None:
        self._session = session
        self._find = find
        self._threads = threads
        self._access: Access | None = None
        self.met = False
        self.asked: str | None = None
        self.answers = 0

    @asynccontextmanager
    async def open(
        self, operation: str, request: Any, *, headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout, anonymous: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:  # fmt: skip
        """The answer, its body unread, if it is none of a failure.

        Raises Unavailable("server_away") also when the connection breaks while the caller reads the body.
        """
        route = _ROUTE_OF[operation]
        path, query, body = _laid_out(route.method, route.path, request)
        access = self._access
        if access is None:
            access = await self._threads.run(self._find)
        sent = {"Accept": "application/json", **(headers or {})}
        if not anonymous:
            sent |= _bearer(access)
        if body is not None:
            sent["Content-Type"] = "application/json"
        self.met = self.met or access.source in _KNOWN
        self.asked = access.url
        try:
            async with self._session.request(
                route.method, f"{access.url}{path}", params=query, data=_piecewise(body), headers=sent, timeout=timeout
            ) as response:
                self.asked = None
                self.answers += 1
                if response.status >= 400:
                    self._access = None
                    raise await self._failure(response, access)
                self._access = access
                self.met = True
                yield response
        except aiohttp.InvalidURL as wrong:
            message = f"{access.url} is not the address of a server."
            raise Refused("bad_settings", message, field="SERVER_URL") from wrong
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as wrong:
            self._access = None
            raise away(access.url, wrong) from wrong
        finally:
            self.asked = None

    async def socket(self, limits: Limits, *, within: float) -> aiohttp.ClientWebSocketResponse:
        """The server's socket, open. Raises CmdexecError, also when that takes longer than `within` seconds."""
        access = self._access
        if access is None:
            access = await self._threads.run(self._find)
        try:
            async with asyncio.timeout(within):
                return await connect(self._session, access.url, _bearer(access), limits)
        except TimeoutError as wrong:
            raise away(access.url, wrong) from wrong

    async def _failure(self, response: aiohttp.ClientResponse, access: Access) -> CmdexecError:
        if response.status in _OF_A_PROXY:
            said = f"What stands before the server at {access.url} answers {response.status}."
            return Unavailable("server_away", said)
        if response.status == 401 and self.met and await self._threads.run(self._find) != access:
            return Unavailable("server_away", f"Another server runs at {access.url} by now.")
        return await failure(response)


def _bearer(access: Access) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.token}"}


def _piecewise(body: bytes | None) -> bytes | BytesIO | None:
    """A large body is sent in pieces: as one it would stop everything else on the loop meanwhile."""
    return BytesIO(body) if body is not None and len(body) > _LARGE else body


def _laid_out(method: str, path: str, request: Any) -> tuple[str, list[tuple[str, str]], bytes | None]:
    """Where the fields of a request go: into the path, into the query of a GET, or as JSON into the body."""
    if method != "GET":
        if "{" in path:
            within = msgspec.to_builtins(request)
            for name in [name for name in within if f"{{{name}}}" in path]:
                path = path.replace(f"{{{name}}}", quote(within.pop(name), safe=""))
            request = {name: value for name, value in within.items() if value is not None}
        try:
            return path, [], msgspec.json.encode(request)
        except UnicodeEncodeError as wrong:
            raise Refused(
                "invalid_field", "This holds bytes that are not UTF-8 text.", field=_not_text(request),
                mend="Use UTF-8; have the command itself read or make other bytes.",
            ) from wrong  # fmt: skip
    query: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(request).items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        elif isinstance(value, list | tuple):
            query += [(name, str(one)) for one in value]
        elif value is not None:
            query.append((name, str(value)))
    return path, query, None


def _not_text(request: Any) -> str | None:
    """Which field cannot be written as UTF-8: `command`, `env.A`, or of one in a list `[3].name`."""
    listed = isinstance(request, Sequence)
    for number, one in enumerate(request if listed else [request]):
        at = f"[{number}]." if listed else ""
        for field in msgspec.structs.fields(one):
            value = getattr(one, field.name)
            if _is_text(value):
                continue
            names = value if isinstance(value, Mapping) else ()
            inside = [f".{name}" for name in names if not _is_text((name, value[name]))]
            return "".join((at, field.encode_name, *inside[:1])).encode(errors="backslashreplace").decode()
    return None


def _is_text(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


def as_error(error: ErrorBody) -> CmdexecError:
    """What the server said in the midst of a stream."""
    told = CmdexecError(error.code, error.message, field=error.field, mend=error.mend)
    if told.status in (429, 503, 507):
        return Unavailable(error.code, error.message, field=error.field, mend=error.mend)
    return told
