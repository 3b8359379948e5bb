"""Listening with safe settings: what aiohttp leaves open by itself is closed here, once.

Its defaults have no deadline for a first request, no bound on connections, and put the parser's own words into the
answer to a malformed request. Bodies are read by the handler, which bounds them (`web.BaseRequest.content`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from cmdexec.link.ports import cannot_open, open_port
from cmdexec.link.reads import read_less
from cmdexec.settings.server import ServerSettings

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Malformed = Callable[[int], web.StreamResponse]
"""The answer to what the parser refused: 431 for a line longer than allowed or for too many of them, 400 for what is no
HTTP request."""

HEADERS_MAX = 100
"""The most headers of a request."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """A port with what answers there. `setting`: what it is called in the settings."""

    port: int
    handle: Handle
    setting: str = "PORT"


_CUT_SEC = 0.01
"""What a handler has to end by itself when it is cut; the library takes 0 for no bound at all."""

_AT_ONCE = 8
"""How many connections are accepted before those accepted are looked at: so no burst of them takes all descriptors."""

_BACKLOG = 1024
"""How many may wait to be accepted; beyond, the kernel lets them try again."""

_SILENT = logging.getLogger("cmdexec.http")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may do, in seconds and bytes."""

    first_request_sec: float
    keepalive_sec: float
    linger_sec: float
    send_sec: float
    header_bytes: int
    connections: int

    @classmethod
    def of(cls, settings: ServerSettings) -> "Bounds":
        """As the settings say."""
        return cls(
            first_request_sec=settings.upgrade_timeout_sec,
            keepalive_sec=settings.keepalive_sec,
            linger_sec=settings.upgrade_timeout_sec,
            send_sec=settings.socket_send_timeout_sec,
            header_bytes=settings.max_header_bytes,
            connections=settings.max_connections,
        )


class _Connection(web.RequestHandler):
    """A connection with deadlines for its first request and for each answer to be taken, and a moment at which it is
    known to be lost. While no request of it is carried out it is idle, and gives way to others; so it is as well while
    a caller that is not `known` sends a body, or is sent an answer."""

    __slots__ = ("_bounds", "_deadline", "_leaving", "_malformed", "_unread", "_unwanted", "_wire", "known", "lost")

    def __init__(
        self, server: "_Server", loop: asyncio.AbstractEventLoop, bounds: Bounds, malformed: Malformed
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=bounds.keepalive_sec,
            lingering_time=bounds.linger_sec,
            max_line_size=bounds.header_bytes,
            max_field_size=bounds.header_bytes,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]
            logger=_SILENT,
        )
        self._bounds = bounds
        self._malformed = malformed
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._unwanted: StreamReader | None = None
        self._wire: asyncio.Transport | None = None
        self._leaving = False
        self.known = False
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._manager
        if isinstance(server, _Server) and isinstance(transport, asyncio.Transport) and not server.has_room():
            transport.write(server.full)
            transport.close()
            return
        read_less(transport)
        super().connection_made(transport)
        self._wire = self.transport
        if isinstance(server, _Server):
            server.open += 1
        self.idle()
        self._deadline = self._loop.call_later(self._bounds.first_request_sec, self._never_asked)

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        if isinstance(self._manager, _Server) and self._wire is not None:
            self._manager.open -= 1
        self._wire, unwanted = None, self._unwanted
        self.busy()
        super().connection_lost(exc)
        if unwanted is not None:  # the library would wait for more of it
            unwanted.feed_eof()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self._wire is not None and self._wire.is_closing():
            self._expect_reader()

    async def start(self) -> None:
        await super().start()
        self._expect_reader()

    def force_close(self) -> None:
        super().force_close()
        self._expect_reader()

    def _expect_reader(self) -> None:
        """What waits to be sent has to go out in time: the library would hold it, and the connection, for ever."""
        if self._unread is None and self._wire is not None and self._wire.get_write_buffer_size():
            self._unread = self._loop.call_later(self._bounds.send_sec, self._too_slow)

    def _too_slow(self) -> None:
        self._unread = None
        is_socket = self._payload_parser is not None  # those have a time of their own for this
        if self._wire is not None and not is_socket:
            self._wire.abort()

    def idle(self) -> None:
        """No request is under way."""
        if isinstance(self._manager, _Server) and self._wire is not None:
            self._manager.idle[self] = None

    def busy(self) -> None:
        """A request is under way, or it is gone."""
        self._unwanted = None
        if isinstance(self._manager, _Server):
            self._manager.idle.pop(self, None)

    def give_way(self) -> None:
        """End now, for another; what waits to be sent holds it no longer."""
        if self._wire is not None and self._wire.get_write_buffer_size():
            self._wire.abort()
        self.force_close()

    def leave(self) -> None:
        """End when the request that is under way is answered; at once if there is none."""
        self._leaving = True
        if self._waiter is not None:
            self.force_close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if self._leaving and not resp.prepared:
            resp.force_close()
        if not self.known:
            self.idle()
        finished = await super().finish_response(request, resp, start_time)
        self._unwanted = request.content
        self.idle()
        if self._leaving:
            self.close()
        return finished

    def _never_asked(self) -> None:
        self._deadline = None
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """None of the parser's words go out; and nothing more is read from a connection that sent nonsense."""
        too_many = exc is not None and "Too many headers" in str(exc)
        answer = self._malformed(431 if too_many or isinstance(exc, LineTooLong) else status)
        answer.force_close()
        return answer


class _Server(web.Server):
    """All connections. `idle`: those without a request under way, the longest first. `open`: how many there are; the
    library counts those as well that are lost and still have something to end. `full`: what one is told that cannot be
    taken."""

    def __init__(self, handle: Handle, bounds: Bounds, malformed: Malformed, full: bytes) -> None:
        super().__init__(_busy_during(handle), handler_cancellation=False)
        self._bounds = bounds
        self._malformed = malformed
        self.idle: dict[_Connection, None] = {}
        self.open = 0
        self.full = full

    def has_room(self) -> bool:
        """Whether one more may be open. If need be, the one that has been idle longest is ended for it: who only
        holds connections keeps nobody out."""
        if self.open < self._bounds.connections:
            return True
        if not self.idle:
            return False
        oldest = next(iter(self.idle))
        del self.idle[oldest]
        oldest.give_way()
        return True

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._loop, self._bounds, self._malformed)

    async def leave(self, within_sec: float) -> None:
        """Let what is under way end. The library's own way would read nothing more of a body that is still coming."""
        ours = [one for one in self.connections if isinstance(one, _Connection)]
        for one in ours:
            one.leave()
        if ours:
            await asyncio.wait([one.lost for one in ours], timeout=within_sec)


async def disconnected(request: web.BaseRequest) -> None:
    """Return when the other end of the request's connection is gone: what streams to it can stop then."""
    connection = request.protocol
    if isinstance(connection, _Connection):
        await asyncio.shield(connection.lost)


def known(request: web.BaseRequest) -> None:
    """Who sent this is known: its connection gives way to no other until it is answered."""
    if isinstance(request.protocol, _Connection):
        request.protocol.known = True


@contextlib.contextmanager
def giving_way(request: web.BaseRequest) -> Iterator[None]:
    """In here the request's connection gives way to others, as if it were idle."""
    connection = request.protocol
    if not isinstance(connection, _Connection):
        yield
        return
    connection.idle()
    try:
        yield
    finally:
        connection.busy()


class Listener:
    """An open door, of one entrance or several. `port` is the first one's, the real one also where 0 was asked for."""

    def __init__(
        self, runner: web.ServerRunner, server: _Server, host: str, ports: Sequence[int], drain_sec: float
    ) -> None:
        self._runner = runner
        self._server = server
        self._drain_sec = drain_sec
        self.host = host
        self.port, *self._more = ports

    @property
    def url(self) -> str:
        """How to reach it from this machine."""
        return self._url("http", self.port)

    @property
    def sockets_url(self) -> str | None:
        """How to reach the second entrance from this machine, if there is one."""
        return self._url("ws", self._more[0]) if self._more else None

    def _url(self, scheme: str, port: int) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"{scheme}://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}"

    async def stop_accepting(self) -> None:
        """Take no new connection; those that are open go on."""
        for site in list(self._runner.sites):
            await site.stop()

    async def close(self) -> None:
        """End it: idle connections at once, the others when their request is answered or the drain time is over."""
        await self.stop_accepting()
        await self._server.leave(self._drain_sec)
        await self.cut()

    async def cut(self) -> None:
        """End it now: whatever is under way is cancelled. After `close`, or twice, it does nothing."""
        await self._runner.cleanup()


async def listen(
    *entrances: Entrance, host: str, bounds: Bounds, malformed: Malformed, drain_sec: float, full: bytes = b""
) -> Listener:
    """Open the ports of `entrances` (0: any free one) at `host`. They share all bounds and end together. `127.0.0.1`
    and `localhost` are opened for IPv6's loopback as well, where there is one. `full` is the whole answer to those for
    whom there is no room.

    Raises CmdexecError(`in_use` | `bad_settings`); then none of them is open.
    """
    handles: dict[int, Handle] = {}
    server = _Server(_by_port(handles), bounds, malformed, full)
    runner = web.ServerRunner(server, shutdown_timeout=_CUT_SEC)
    await runner.setup()
    for entrance in entrances:
        try:
            for one in open_port(host, entrance.port):
                handles[one.getsockname()[1]] = entrance.handle
                await web.SockSite(runner, one, backlog=_AT_ONCE).start()
                one.listen(_BACKLOG)
        except (OSError, UnicodeError) as wrong:  # the latter for what can be no host name at all
            await runner.cleanup()
            raise cannot_open(host, entrance.port, entrance.setting, wrong) from wrong
    return Listener(runner, server, host, tuple(handles), drain_sec)


def _busy_during(handle: Handle) -> Handle:
    """`handle`, and the connection counts as busy from then on."""

    async def counted(request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, _Connection):
            request.protocol.known = False
            request.protocol.busy()
        return await handle(request)

    return counted


def _by_port(handles: Mapping[int, Handle]) -> Handle:
    """Hands each request to what answers at the port that it came in by."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        here = request.transport.get_extra_info("sockname") if request.transport is not None else None
        first = next(iter(handles.values()))
        return await (handles.get(here[1], first) if here is not None else first)(request)

    return handle
