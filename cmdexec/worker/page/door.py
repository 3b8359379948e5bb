"""Who may come in to the page, and what is answered.

The page is for the window of this worker alone. A port of loopback can be reached by every user and every web page of
this machine, so: each call shows the token of this launch in a header, which no form and no other page can send; the
`Host` is the one that the window was given, against names that others let point here; and an `Origin`, where a browser
names one, is our own.
"""

import base64
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from aiohttp import web

from cmdexec.errors import CmdexecError, Refused
from cmdexec.link.listen import Bounds, Entrance, Listener, listen
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.page.files import Files
from cmdexec.worker.page.first import TOKEN_HEADER

HOST = "127.0.0.1"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)

_TOKEN_BYTES = 32
_BODY_MAX = 64 * 1024
_HEADER_MAX = 16 * 1024
_CONNECTIONS = 32
_LEAVE_SEC = 1.0
"""How long answers that go on may take to end when the door closes."""
_SAFE = {
    "Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
_FROM_US = frozenset({"same-origin", "none"})

Lines = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Call:
    """One way in: what it takes, None: nothing, and what answers it."""

    takes: type | None
    answer: Callable[..., Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Stream:
    """One way in of which the answer goes on: lines, given what was asked for behind the `?`."""

    lines: Callable[[Mapping[str, str]], Lines]


class Door:
    """Listens on a free port of loopback. `token` is this launch's."""

    def __init__(
        self, files: Files, calls: Mapping[tuple[str, str], Call | Stream], *, settings: WorkerSettings,
        runtime: Runtime,
    ) -> None:  # fmt: skip
        self.token = base64.urlsafe_b64encode(runtime.secret_bytes(_TOKEN_BYTES)).decode().rstrip("=")
        self._files, self._calls = files, calls
        self._settings, self._log = settings, runtime.log
        self._listener: Listener | None = None
        self._is_closing = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self._host}"

    @property
    def _host(self) -> str:
        return f"{HOST}:{self._listener.port if self._listener is not None else 0}"

    async def open(self) -> None:
        """Listen. Raises CmdexecError."""
        settings = self._settings
        bounds = Bounds(
            first_request_sec=settings.connect_timeout_sec, keepalive_sec=settings.socket_ping_sec,
            linger_sec=settings.connect_timeout_sec, send_sec=settings.socket_send_timeout_sec,
            header_bytes=_HEADER_MAX, connections=_CONNECTIONS,
        )  # fmt: skip
        self._listener = await listen(
            Entrance(0, self._handle), host=HOST, bounds=bounds, malformed=_malformed, drain_sec=_LEAVE_SEC
        )

    async def close(self) -> None:
        """End it, and whatever is under way."""
        self._is_closing = True
        if self._listener is not None:
            await self._listener.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._judge(request)
            if (file := self._files.get(request.path)) is not None:
                if request.method not in ("GET", "HEAD"):
                    raise Refused("method_not_allowed", "This can be read alone.")
                return web.Response(body=file.body, headers={**_SAFE, "Content-Type": file.kind})
            self._know(request)
            call = self._calls.get((request.method, request.path))
            if call is None:
                raise Refused("not_found", "There is nothing here.")
            if isinstance(call, Stream):
                return await self._stream(request, call.lines(dict(request.query)))
            body = await _body(request, call.takes) if call.takes is not None else None
            answer = await (call.answer(body) if call.takes is not None else call.answer())
            return web.Response(body=msgspec.json.encode(answer), headers={**_SAFE, "Content-Type": "application/json"})
        except CmdexecError as wrong:
            return _refusal(wrong)
        except Exception as fault:
            self._log.error("the window's page failed", exc=fault, path=request.path[:100])
            return _refusal(CmdexecError("internal", "This failed; the worker's log says why."))

    def _judge(self, request: web.BaseRequest) -> None:
        """Raises Refused: `bad_host`, `bad_origin`."""
        if request.headers.getall("Host", ()) != [self._host]:
            raise Refused("bad_host", "This page is not known under that name.")
        origins = request.headers.getall("Origin", ())
        if origins and origins != [self.url]:
            raise Refused("bad_origin", "Requests from other pages are not taken.")
        if request.headers.get("Sec-Fetch-Site", "none") not in _FROM_US:
            raise Refused("bad_origin", "Requests from other pages are not taken.")

    def _know(self, request: web.BaseRequest) -> None:
        """Raises Refused(`unauthorized`)."""
        shown = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self.token.encode()):
            raise Refused("unauthorized", "This page is for the worker's own window.")

    async def _stream(self, request: web.BaseRequest, lines: Lines) -> web.StreamResponse:
        """Each line as it comes, until there are no more, or nobody reads."""
        response = web.StreamResponse(headers={**_SAFE, "Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async with aclosing(lines):
                async for line in lines:
                    if self._is_closing or request.transport is None or request.transport.is_closing():
                        return response
                    if line:
                        await response.write(line + b"\n")
            await response.write_eof()
        except ConnectionError:
            pass  # the window is gone
        return response


async def _body(request: web.BaseRequest, kind: type) -> object:
    """The request's body. Raises Refused."""
    if request.content_type != "application/json":
        raise Refused("unsupported_type", "Send JSON.")
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _BODY_MAX:
            raise Refused("too_large", f"At most {_BODY_MAX} bytes are taken.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
        raise Refused("bad_json", "This is no JSON of the kind that is taken here.") from wrong


def _refusal(wrong: CmdexecError) -> web.Response:
    body = msgspec.json.encode({"error": wrong.details()})
    return web.Response(body=body, status=wrong.status, headers={**_SAFE, "Content-Type": "application/json"})


def _malformed(status: int) -> web.Response:
    return web.Response(status=status, headers=_SAFE)
