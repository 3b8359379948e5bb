"""Calling a server: one session with safe settings, for the client and the worker.

How to use it::

    async with session(connect_timeout_sec=10, total_sec=60) as http:
        async with http.get(f"{url}/api/live") as answer: …
        ws = await connect(http, url, {"x-worker-token": token}, Limits.of(settings))
        ended = await Socket(ws, limits, runtime).run(handler)
"""

import socket as sockets
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from cmdexec.errors import CODES, CmdexecError, Conflict, Refused, Unavailable
from cmdexec.link.reads import read_less
from cmdexec.link.socket import Limits
from cmdexec.protocol.requests import ErrorBody, ErrorView
from cmdexec.version import PROTOCOL, __version__

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_MAX_LINE = 16 * 1024
_MAX_ERROR = 64 * 1024
_HOUR, _DAY = 3600.0, 86400.0
"""How long anything that refuses a socket may send us away, and a server of ours: its windows may be a day long."""

SERVER_NAME = "cmdexec"
"""The header `Server` of all answers of ours."""

_KNOWN_BY = (
    "WORKER_TOKEN_SECRET has to be the same for server and worker; "
    "a credential that lies in the worker's data folder counts before it, and has to be of this server."
)


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceRequestRedirectParams
) -> None:
    raise Refused(
        "not_found",
        "The server sends this request somewhere else; it is not followed, because a token would go along.",
        mend="Give the address that the server answers at itself.",
    )


class _Connector(aiohttp.TCPConnector):
    """Makes connections that read less at once."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        connection = await super().connect(req, traces, timeout)
        read_less(connection.transport)
        return connection


def session(
    *,
    connect_timeout_sec: float,
    total_sec: float | None = None,
    stall_sec: float | None = None,
    connections: int = 100,
) -> aiohttp.ClientSession:
    """A session to call with; close it, or use it in `async with`.

    total_sec    how long a whole request may take, None for those that follow something
    stall_sec    how long the answer may pause
    connections  the most connections at once

    No redirect is followed, no cookie kept, no proxy taken from the environment. Failures are aiohttp's own exceptions;
    `away` makes sentences of them.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=_Connector(limit=connections),
        timeout=aiohttp.ClientTimeout(
            total=total_sec, connect=None, sock_connect=connect_timeout_sec, sock_read=stall_sec
        ),
        headers={"User-Agent": f"cmdexec/{__version__}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
    )


async def connect(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str], limits: Limits
) -> aiohttp.ClientWebSocketResponse:
    """Open the socket of a server: step 1 of `link.socket`. `url` is the server's, `http://…`, without `/ws`.

    Raises Refused (`unauthorized`, `forbidden`, `protocol_mismatch`, …) if the server answers with no socket, and
    Unavailable (`server_away`, `too_many`, `overloaded`) if it cannot be had now. An upgrade without a credential is
    taken and then closed with 4401, as `Ended` tells.
    """
    return await _upgraded(http, url, headers, limits, heartbeat=limits.ping_sec)


async def passes(http: aiohttp.ClientSession, url: str, headers: Mapping[str, str], limits: Limits) -> None:
    """Whether a socket would carry anything now: open one for a ping (RFC 6455, 5.5.2), and close it when that was
    answered. A proxy may open sockets and pass nothing on, so give it a deadline. Raises as `connect`."""
    ws = await _upgraded(http, url, headers, limits, autoping=False)
    try:
        await ws.ping()
        if (await ws.receive()).type is not aiohttp.WSMsgType.PONG:
            raise Unavailable("server_away", f"A socket to {url} opened, but carries nothing.")
        await ws.close()
    except (aiohttp.ClientError, OSError) as wrong:
        raise away(url, wrong) from wrong
    finally:
        await hang_up(ws)


async def hang_up(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Cut what is still open of a socket, and free what the library holds for it. It waits for nobody."""
    raw: sockets.socket | None = ws.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.shutdown(sockets.SHUT_RDWR)
    with suppress(aiohttp.ClientError, OSError, RuntimeError):
        await ws.close()


async def _upgraded(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str], limits: Limits, **options: Any
) -> aiohttp.ClientWebSocketResponse:
    try:
        ws: aiohttp.ClientWebSocketResponse = await http.ws_connect(
            f"{url.rstrip('/')}/ws",
            headers=dict(headers),
            protocols=(PROTOCOL,),
            max_msg_size=limits.max_message,
            timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=limits.send_timeout_sec),
            compress=0,
            **options,
        )
        return ws
    except aiohttp.WSServerHandshakeError as wrong:
        own = await _own_words(http, url, headers, wrong)
        raise (own or _refused(url, wrong)) from wrong
    except (aiohttp.ClientError, OSError) as wrong:
        raise away(url, wrong) from wrong


async def _own_words(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str], wrong: aiohttp.WSServerHandshakeError
) -> CmdexecError | None:
    """Why a server of ours forbids it. The library keeps nothing of the answer to a refused upgrade but its status, so
    it is asked again; None where that brings nothing."""
    if wrong.status != 403 or not _is_ours(wrong):
        return None
    with suppress(aiohttp.ClientError, OSError):
        async with http.get(f"{url.rstrip('/')}/ws", headers=dict(headers), allow_redirects=False) as answer:
            return await own_failure(answer) if answer.status == wrong.status else None
    return None


def _is_ours(wrong: aiohttp.WSServerHandshakeError) -> bool:
    return wrong.headers is not None and wrong.headers.get("Server") == SERVER_NAME


class Blocked(Enum):
    """Whether something between here and the server lets no WebSocket through."""

    NO = "no"
    PERHAPS = "perhaps"
    SURELY = "surely"


def blocked(wrong: BaseException) -> Blocked:
    """What a failure of `connect`, or the time-out of one, says of that.

    Where nothing answers, or the server itself does, sockets are not blocked, but for its 400: it got a request without
    the headers of an upgrade. Overload and broken connections have many reasons. Every other answer is none of ours.
    """
    cause = wrong.__cause__ or wrong
    if isinstance(cause, aiohttp.WSServerHandshakeError):
        if _is_ours(cause) and cause.status != 400:
            return Blocked.NO
        return Blocked.PERHAPS if cause.status in (429, 500, 503, 504) else Blocked.SURELY
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Blocked.NO
    return Blocked.PERHAPS if isinstance(cause, aiohttp.ClientError | OSError) else Blocked.NO


def _refused(url: str, wrong: aiohttp.WSServerHandshakeError) -> CmdexecError:
    by_status = {401: "unauthorized", 426: "protocol_mismatch", 429: "too_many"}
    message = f"The server answered {wrong.status} and opened no socket."
    if wrong.status in (429, 503):
        code = by_status.get(wrong.status, "overloaded")
        return Unavailable(code, message, retry_after=_retry_after(wrong.headers, _HOUR))
    if wrong.status >= 500 or wrong.status in (200, 403, 404):
        return Unavailable("server_away", message, mend="Is this the address of a cmdexec server?")
    if wrong.status == 401:
        return Refused("unauthorized", f"The server at {url} does not believe this worker's token.", mend=_KNOWN_BY)
    if wrong.status == 421:
        return Refused(
            "bad_host", f"The server at {url} is not known under that name.",
            mend="Use its own address, or have its ALLOWED_HOSTS name this one.",
        )  # fmt: skip
    return Refused(by_status.get(wrong.status, "bad_request"), message)


def away(url: str, wrong: BaseException) -> Unavailable:
    """What to say when the server could not be reached or went away. No text of a library is passed on."""
    mend = "Is it running?"
    if isinstance(wrong, aiohttp.ClientConnectorDNSError):
        said, mend = "its name is not known", "Is its address right?"
    elif isinstance(wrong, aiohttp.ClientConnectorCertificateError):
        said, mend = "its certificate cannot be trusted", "Is its name right, and its issuer known here?"
    elif isinstance(wrong, aiohttp.ClientSSLError):
        said, mend = "no TLS connection could be made with it", "If it speaks plain HTTP, write http:// in its address."
    elif isinstance(wrong, TimeoutError):
        said = "it did not answer in time"
    elif isinstance(wrong, aiohttp.ClientConnectorError):
        said = "nothing answers there"
    else:
        said = "the connection broke"
    return Unavailable("server_away", f"The server at {url} cannot be reached: {said}.", mend=mend)


async def failure(answer: aiohttp.ClientResponse) -> CmdexecError:
    """The error that an answer of 400 or more tells of, with the server's own code, message, field and mend."""
    told = await _told(answer)
    if told is None:
        told = ErrorBody(
            "", f"The server answered {answer.status} without saying why.",
            mend=f"Is {answer.url.origin()} the address of a cmdexec server?",
        )  # fmt: skip
    return _error(answer, told)


async def own_failure(answer: aiohttp.ClientResponse, body: bytes | None = None) -> CmdexecError | None:
    """As `failure`; None if it is no answer of a server of ours. `body`: what was read of it already."""
    told = await _told(answer) if body is None else _said(body)
    return _error(answer, told) if told is not None else None


async def _told(answer: aiohttp.ClientResponse) -> ErrorBody | None:
    with suppress(aiohttp.ClientError):
        body = bytearray()
        while len(body) <= _MAX_ERROR and (piece := await answer.content.read(_MAX_ERROR)):
            body += piece
        return _said(body)
    return None


def _said(body: bytes | bytearray) -> ErrorBody | None:
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.decode(body, type=ErrorView).error
    return None


def _error(answer: aiohttp.ClientResponse, told: ErrorBody) -> CmdexecError:
    if answer.status in (429, 503, 507):
        code = told.code if told.code in CODES else "overloaded"
        return Unavailable(
            code, told.message, retry_after=_retry_after(answer.headers, _DAY), field=told.field, mend=told.mend
        )
    if answer.status == 409:
        return Conflict(told.code or "conflict", told.message, expected=told.expected, field=told.field, mend=told.mend)
    return Refused(told.code or "bad_request", told.message, field=told.field, mend=told.mend)


def _retry_after(headers: Mapping[str, str] | None, most: float) -> float:
    """Seconds; 1 if the header is missing or a date."""
    with suppress(ValueError):
        return min(max(0.0, float((headers or {}).get("Retry-After", "1"))), most)
    return 1.0
