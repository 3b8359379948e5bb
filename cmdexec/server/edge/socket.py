"""`/ws`: from the upgrade to a worker's link, or to what a person watches. The life of the socket itself is
`cmdexec.link.socket`."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.link.listen import giving_way, known
from cmdexec.link.pool import Pool
from cmdexec.link.socket import Close, Limits, Socket
from cmdexec.protocol.codec import ask
from cmdexec.protocol.messages import Failure
from cmdexec.protocol.operations import Permission
from cmdexec.runtime import Runtime
from cmdexec.server.edge.answer import whole
from cmdexec.server.edge.bodies import Bodies
from cmdexec.server.edge.says import Deaf, PersonSays, WorkerSays
from cmdexec.server.edge.submitting import Submissions
from cmdexec.server.identity import NOBODY, Identity
from cmdexec.server.live import Live, Watcher
from cmdexec.server.perform import Perform, Presented, refusal
from cmdexec.server.workers import Presence
from cmdexec.version import PROTOCOL

_CODES = {1009: Close.TOO_LARGE, 1002: Close.BAD_FRAME, 1003: Close.BAD_FRAME, 1007: Close.BAD_FRAME}
_SENTENCES: dict[int, bytes] = {
    Close.TOO_LARGE: b"This message is larger than a message may be.",
    Close.BAD_FRAME: b"This is no frame that can be understood.",
}

_SEND = "Send a credential: a worker's as `x-worker-token`, a user's as `Authorization: Bearer …`."

WatchLogin = Callable[[Identity, Callable[[], None]], Callable[[], None]]
"""Calls back once when a login has ended; what it returns ends that."""

Enrols = Callable[[Identity, str], Awaitable[None]]
"""Raises CmdexecError if the worker is new, and too many new ones have come from that place."""


class _Upgrade(web.WebSocketResponse):
    """Closes with our codes where the library closes by itself."""

    async def close(self, *, code: int = Close.NORMAL, message: bytes = b"", drain: bool = True) -> bool:
        ours = _CODES.get(code, code)
        return await super().close(code=ours, message=message or _SENTENCES.get(ours, b""), drain=drain)


class Sockets:
    """Serves `/ws`. `close` ends all sockets; upgrades are refused from then on."""

    def __init__(
        self, *, perform: Perform, bodies: Bodies, enrols: Enrols, watch_login: WatchLogin, presence: Presence,
        live: Live, limits: Limits, runtime: Runtime, first_frame_sec: float, each_person: int,
        person_queue_bytes: int, people_queue_bytes: int,
    ) -> None:  # fmt: skip
        self._perform = perform
        self._bodies = bodies
        self._enrols = enrols
        self._watch_login = watch_login
        self._presence = presence
        self._live = live
        self._each_person = each_person
        self._people: Counter[str] = Counter()
        self._limits = limits
        self._of_people = replace(limits, queue_bytes=min(limits.queue_bytes, person_queue_bytes))
        self._pool = Pool(people_queue_bytes)
        self._runtime = runtime
        self._first_frame_sec = first_frame_sec
        self._open: set[Socket] = set()
        self._closing = False

    async def serve(self, request: web.BaseRequest, shown: Presented, source: str) -> web.StreamResponse:
        """One request for `/ws`, from that place; returns when its socket has ended. Bad credentials get an answer and
        no socket; without any the socket opens, so that one can be told what to send, and for a login that has ended as
        well if a browser shows it: of an answer that is no socket no page hears anything."""
        try:
            if self._closing:
                raise Unavailable("draining", "This server is stopping.", retry_after=2.0)
            who, otherwise = await self._whose(shown)
            if who.kind == "user" and self._people[who.id or ""] >= self._each_person:
                raise Unavailable(
                    "too_many", f"You have {self._each_person:,} sockets open, and more may not be.", retry_after=5.0,
                    mend="Close some: one can watch many jobs.",
                )  # fmt: skip
            upgrade = self._upgrade(request)
            if who.may(Permission.WORK):
                await self._enrols(who, source)
        except CmdexecError as wrong:
            return whole(refusal(wrong))
        await upgrade.prepare(request)
        if who.may(Permission.WORK):
            socket = Socket(upgrade, self._limits, self._runtime)
        else:
            socket = Socket(upgrade, self._of_people, self._runtime, self._pool)
        self._open.add(socket)
        try:
            if who.id is None:
                with giving_way(request):
                    await self._turn_away(socket, otherwise)
            elif who.may(Permission.WORK):
                known(request)
                await self._work(socket, who.id)
            else:
                known(request)
                await self._watch(socket, who, shown, source)
        finally:
            self._open.discard(socket)
        return upgrade

    async def _whose(self, shown: Presented) -> tuple[Identity, CmdexecError]:
        """Whose socket it will be, and what is said if that is nobody."""
        try:
            return await self._perform.identify(shown), CmdexecError("unauthorized", _SEND)
        except CmdexecError as wrong:
            if wrong.code != "unauthorized" or shown.bad is not None or not shown.cookies:
                raise
            return NOBODY, wrong

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
        handler = WorkerSays(socket, link, self._first_frame_sec)
        handler.expect()
        try:
            ended = await socket.run(handler)
            self._runtime.log.info("a worker's socket ended", worker=worker_id, code=int(ended.code), why=ended.reason)
        finally:
            handler.expect_no_more()
            link.closed()

    async def _watch(self, socket: Socket, who: Identity, shown: Presented, source: str) -> None:
        watcher, person = self._live.watcher(who, socket), who.id or ""
        forget = self._watch_login(who, lambda: socket.close(Close.UNAUTHENTICATED, "This login has ended."))
        self._people[person] += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell(watcher, socket), name="a person's socket")
                async with asyncio.TaskGroup() as submitting:
                    submissions = Submissions(
                        perform=self._perform, bodies=self._bodies, shown=shown, source=source, watcher=watcher,
                        socket=socket, tasks=submitting, log=self._runtime.log, most=self._limits.max_message // 2,
                    )  # fmt: skip
                    await socket.run(PersonSays(socket, watcher, submissions))
                telling.cancel()
        finally:
            forget()
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]

    async def _tell(self, watcher: Watcher, socket: Socket) -> None:
        try:
            await watcher.run()
        except Exception as fault:
            self._runtime.log.error("what is watched could not be told", exc=fault)
            socket.close(Close.INTERNAL, "What you watch could not be told; the cause is in the log.")

    async def _turn_away(self, socket: Socket, wrong: CmdexecError) -> None:
        socket.put(ask("error", [Failure(wrong.code, wrong.message, mend=wrong.mend)]))
        socket.close(Close.UNAUTHENTICATED, wrong.message)
        await socket.run(Deaf())

    def close(self) -> None:
        """The server goes away: each worker is told, after what waits for it."""
        self._closing = True
        for socket in tuple(self._open):
            socket.close(Close.GOING_AWAY, "The server is stopping.")
