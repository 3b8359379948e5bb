"""`/ws`: from the upgrade to the worker's link. The life of the socket itself is `cmdexec.link.socket`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.listen import giving_way, known
from cmdexec.link.socket import Close, Limits, Socket
from cmdexec.protocol.codec import Frame, ask, decode_items, list_decoder
from cmdexec.protocol.messages import Failure, OutputHeader, Registered
from cmdexec.protocol.operations import BY_NAME, FRAMES, Permission
from cmdexec.runtime import Runtime
from cmdexec.server.edge.answer import whole
from cmdexec.server.identity import Identity
from cmdexec.server.perform import Presented, refusal
from cmdexec.server.workers import Presence, WorkerLink
from cmdexec.version import PROTOCOL

_CODES = {1009: Close.TOO_LARGE, 1002: Close.BAD_FRAME, 1003: Close.BAD_FRAME, 1007: Close.BAD_FRAME}
_SENTENCES: dict[int, bytes] = {
    Close.TOO_LARGE: b"This message is larger than a message may be.",
    Close.BAD_FRAME: b"This is no frame that can be understood.",
}
_SHOWN = 60

_DECODERS = {op: list_decoder(BY_NAME[name].request) for op, name in FRAMES.items() if op != "output"}


class _Upgrade(web.WebSocketResponse):
    """Closes with our codes where the library closes by itself."""

    async def close(self, *, code: int = Close.NORMAL, message: bytes = b"", drain: bool = True) -> bool:
        ours = _CODES.get(code, code)
        return await super().close(code=ours, message=message or _SENTENCES.get(ours, b""), drain=drain)


class Sockets:
    """Serves `/ws`. `close` ends all sockets; upgrades are refused from then on."""

    def __init__(
        self, *, identify: Callable[[Presented], Awaitable[Identity]], presence: Presence, limits: Limits,
        runtime: Runtime, first_frame_sec: float,
    ) -> None:  # fmt: skip
        self._identify = identify
        self._presence = presence
        self._limits = limits
        self._runtime = runtime
        self._first_frame_sec = first_frame_sec
        self._open: set[Socket] = set()
        self._closing = False

    async def serve(self, request: web.BaseRequest, shown: Presented) -> web.StreamResponse:
        """One request for `/ws`; returns when its socket has ended. Bad credentials get an answer and no socket;
        without any the socket opens, so that one can be told what to send."""
        try:
            if self._closing:
                raise Unavailable("draining", "This server is stopping.", retry_after=2.0)
            who = await self._identify(shown)
            works = who.id is not None and who.may(Permission.WORK)
            upgrade = self._upgrade(request)
        except CmdexecError as wrong:
            return whole(refusal(wrong))
        await upgrade.prepare(request)
        socket = Socket(upgrade, self._limits, self._runtime)
        self._open.add(socket)
        try:
            if works and who.id is not None:
                known(request)
                await self._work(socket, who.id)
            else:
                with giving_way(request):
                    await self._turn_away(socket, who)
        finally:
            self._open.discard(socket)
        return upgrade

    def _upgrade(self, request: web.BaseRequest) -> _Upgrade:
        lines = request.headers.getall("Sec-WebSocket-Protocol", ())
        if lines and PROTOCOL not in [name.strip() for line in lines for name in line.split(",")]:
            raise Refused("protocol_mismatch", f"This server speaks {PROTOCOL}.", mend="Update whichever is older.")
        upgrade = _Upgrade(
            timeout=self._limits.send_timeout_sec, heartbeat=self._limits.ping_sec, compress=False,
            max_msg_size=self._limits.max_message, protocols=(PROTOCOL,),
        )  # fmt: skip
        if not upgrade.can_prepare(request).ok:
            raise Refused("bad_request", "This path is a WebSocket's.", mend="Open it with a WebSocket (RFC 6455).")
        return upgrade

    async def _work(self, socket: Socket, worker_id: str) -> None:
        link = self._presence.connect(worker_id, send=socket)
        handler = _Said(socket, link, self._first_frame_sec)
        handler.expect()
        try:
            ended = await socket.run(handler)
            self._runtime.log.info("a worker's socket ended", worker=worker_id, code=int(ended.code), why=ended.reason)
        finally:
            handler.expect_no_more()
            link.closed()

    async def _turn_away(self, socket: Socket, who: Identity) -> None:
        if who.kind == "nobody":
            wrong = CmdexecError("unauthorized", "Send the worker's token as the header `x-worker-token`.")
            code = Close.UNAUTHENTICATED
        else:
            wrong = CmdexecError("forbidden", "This socket is for workers.", mend="Follow output over HTTP.")
            code = Close.FORBIDDEN
        socket.put(ask("error", [Failure(wrong.code, wrong.message, mend=wrong.mend)]))
        socket.close(code, wrong.message)
        await socket.run(_Deaf())

    def close(self) -> None:
        """The server goes away: each worker is told, after what waits for it."""
        self._closing = True
        for socket in tuple(self._open):
            socket.close(Close.GOING_AWAY, "The server is stopping.")


class _Said:
    """What a worker says: decoded and handed on. A worker is a program: one that says what cannot be is cut off."""

    def __init__(self, socket: Socket, link: WorkerLink, first_frame_sec: float) -> None:
        self._socket = socket
        self._link = link
        self._first_frame_sec = first_frame_sec
        self._deadline: asyncio.TimerHandle | None = None
        self._registered = False

    def expect(self) -> None:
        """Its `register` has to come in time."""
        self.expect_no_more()
        self._deadline = asyncio.get_running_loop().call_later(self._first_frame_sec, self._too_late)

    def expect_no_more(self) -> None:
        """It has come, or the socket has ended."""
        if self._deadline is not None:
            self._deadline.cancel()

    async def frames(self, frames: tuple[Frame, ...]) -> None:
        said: list[tuple[str, int | None, Any]] = []
        registers = self._registered
        for frame in frames:
            op = frame.op or ""
            decoder = _DECODERS.get(op)
            if decoder is None:
                raise _no_such_frame(op)
            items = decode_items(frame.items, decoder)
            if op == "register":
                if registers or len(items) != 1:
                    raise Refused("bad_request", "`register` is said once, with one item.", field="op")
                registers = True
                self.expect_no_more()
            said.append((op, frame.id, items))
        for answer in await self._link.frames(said):
            if not self._registered:  # no other frame is answered at once
                self._welcome(answer.items)
            self._socket.put(answer)

    def _welcome(self, items: Sequence[Any]) -> None:
        """It is registered; or it could not be, and has as long again for another try."""
        self._registered = any(isinstance(item, Registered) for item in items)
        if self._registered:
            self.expect_no_more()
        else:
            self.expect()

    async def output(self, header: OutputHeader, data: memoryview) -> None:
        await self._link.output(header, data)

    def _too_late(self) -> None:
        self._socket.close(Close.TOO_SLOW, "The first frame, `register`, did not come in time.")


def _no_such_frame(op: str) -> Refused:
    one_of = f"Send one of {', '.join(f'`{known}`' for known in _DECODERS)}."
    if op == "output":
        return Refused(
            "bad_request", "Output comes in binary messages.", field="op",
            mend="Send it so, or up to 4 KiB of it in `inline` of `done`.",
        )  # fmt: skip
    if not op:
        return Refused("bad_request", "This frame does not say what it is.", field="op", mend=one_of)
    shown = op if len(op) <= _SHOWN else f"{op[:_SHOWN]}…"
    return Refused("bad_request", f"No frame of a worker is called `{shown}`.", field="op", mend=one_of)


class _Deaf:
    async def frames(self, frames: tuple[Frame, ...]) -> None: ...

    async def output(self, header: OutputHeader, data: memoryview) -> None: ...
