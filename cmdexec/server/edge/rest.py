"""HTTP: from the path to the operation, and from its reply to the answer.

In this order: Host, path, preflight, credential, method, Origin, permission, rate, body. So an unknown host learns
nothing, a bad credential is told so on every known path, and no body is read that nobody may send.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import hdrs, web

from cmdexec.errors import CmdexecError, Refused
from cmdexec.link.listen import Handle, disconnected, known
from cmdexec.protocol.operations import BY_NAME, ROUTES, Operation, Permission
from cmdexec.server.api.handler import Reply
from cmdexec.server.edge.answer import Answers, whole
from cmdexec.server.edge.bearer import Bearer
from cmdexec.server.edge.bodies import Bodies, Room
from cmdexec.server.edge.browser import Cookies
from cmdexec.server.edge.cors import Cors
from cmdexec.server.edge.hosts import Hosts, check_origin
from cmdexec.server.edge.source import Sources
from cmdexec.server.edge.static import Site
from cmdexec.server.perform import Asked, Perform, Presented, refusal

SOCKET_PATH = "/ws"

ServeSocket = Callable[[web.BaseRequest, Presented, str], Awaitable[web.StreamResponse]]
"""The upgrade, what it shows, and where it comes from."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What there is at a path: operations by method, and the fields that the path itself holds."""

    operations: Mapping[str, str]
    fields: Mapping[str, str]


class _Paths:
    """Finds places: whole paths at once, those with fields part by part."""

    def __init__(self) -> None:
        self._fixed: dict[str, dict[str, str]] = {}
        self._open: list[tuple[list[str], dict[str, str]]] = []
        for route in ROUTES:
            if "{" not in route.path:
                self._fixed.setdefault(route.path, {})[route.method] = route.operation
                continue
            parts = route.path.split("/")
            known = next((methods for other, methods in self._open if other == parts), None)
            if known is None:
                known = {}
                self._open.append((parts, known))
            known[route.method] = route.operation

    def near(self, path: str) -> str | None:
        """What to say of a path that is right but for its slashes and capitals."""
        plain = "/" + "/".join(part for part in path.lower().split("/") if part)
        return f"Did you mean `{plain}`?" if plain in self._fixed else None

    def find(self, path: str) -> _Place | None:
        fixed = self._fixed.get(path)
        if fixed is not None:
            return _Place(fixed, {})
        given = path.split("/")
        for parts, methods in self._open:
            if len(parts) != len(given):
                continue
            pairs = list(zip(parts, given, strict=True))
            if all(part == value or (part[:1] == "{" and value) for part, value in pairs):
                return _Place(methods, {part[1:-1]: value for part, value in pairs if part[:1] == "{"})
        return None


class Rest:
    """Handles every request of the port; `/ws` goes on to `serve_socket`.

    over_tls   a proxy in front ends TLS; then pages tell browsers to come by TLS alone for `hsts_sec` (RFC 6797), which
               they pass over where a page came without
    """

    def __init__(
        self, *, perform: Perform, bearer: Bearer, hosts: Hosts, answers: Answers, serve_socket: ServeSocket,
        bodies: Bodies, site: Site | None, sources: Sources, cors: Cors, over_tls: bool, hsts_sec: float,
    ) -> None:  # fmt: skip
        self._perform = perform
        self._bearer = bearer
        self._hosts = hosts
        self._answers = answers
        self._serve_socket = serve_socket
        self._bodies = bodies
        self._site = site
        self._sources = sources
        self._cors = cors
        self._cookies = Cookies(over_tls=over_tls)
        self._over_tls = {"Strict-Transport-Security": f"max-age={hsts_sec:.0f}"} if over_tls and hsts_sec else {}
        self._paths = _Paths()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, whatever it is. Never raises but when it is cancelled or its connection is gone."""
        return await self._judged(request, self._anything)

    async def handle_socket(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request at the port that is there for sockets alone."""
        return await self._judged(request, self._only_socket)

    async def _judged(self, request: web.BaseRequest, answer: Handle) -> web.StreamResponse:
        try:
            self._hosts.check(request)
        except CmdexecError as wrong:
            return whole(refusal(wrong))
        try:
            return await answer(request)
        except CmdexecError as wrong:
            reply = refusal(wrong)
        except ConnectionError:
            raise
        except Exception as fault:
            reply = self._perform.failed(fault, "http")
        return whole(self._cors.told(request, reply))

    async def _anything(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == SOCKET_PATH:
            return await self._socket(request)
        if self._site is not None:
            page = await self._site.answer(request.method, request.path, request.headers)
            if page is not None:
                return whole(replace(page, headers={**page.headers, **self._over_tls}))
        return await self._answers.send(request, self._cors.told(request, await self._reply(request)))

    async def _only_socket(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in ("/", SOCKET_PATH):
            raise Refused("not_found", "At this port there are sockets only, at /.", mend="Ask at the server's PORT.")
        return await self._socket(request)

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        shown = await self._bearer.presented(request)
        if request.method != "GET":
            await self._perform.identify(shown)
            return whole(_not_allowed({"GET"}))
        if not self._cors.allows(request):
            check_origin(request)
        shown = self._cookies.proven(request, shown, effect=True, csrf=False)
        return await self._serve_socket(request, shown, self._sources.of(request))

    async def _reply(self, request: web.BaseRequest) -> Reply:
        place = self._paths.find(request.path)
        if place is None:
            raise Refused("not_found", "There is nothing at this path.", mend=self._paths.near(request.path))
        if (preflight := self._cors.preflight(request, _methods(place))) is not None:
            return preflight
        shown = await self._bearer.presented(request)
        name = place.operations.get("GET" if request.method == "HEAD" else request.method)
        if name is None:
            return await self._wrong_method(place, self._cookies.proven(request, shown, effect=False, csrf=False))
        operation = BY_NAME[name]
        if operation.effect and not self._cors.allows(request):
            check_origin(request)
        shown = self._cookies.added(request, shown, operation)
        has_credential = shown.is_something and not (shown.cookies and operation.permission is Permission.ANYONE)
        with self._bodies.room() as room:
            read = partial(self._read, request, operation, place.fields, room, has_credential=has_credential)
            return await self._perform.perform(name, shown, read)

    async def _wrong_method(self, place: _Place, shown: Presented) -> Reply:
        who = await self._perform.identify(shown)
        needed = {BY_NAME[name].permission for name in place.operations.values()}
        if who.kind == "nobody" and Permission.ANYONE not in needed:
            raise Refused("unauthorized", "You are not logged in.", mend="Send a token as `Authorization: Bearer …`.")
        return _not_allowed(_methods(place))

    async def _read(
        self, request: web.BaseRequest, operation: Operation, fields: Mapping[str, str], room: Room, *,
        has_credential: bool,
    ) -> Asked:  # fmt: skip
        """The credential, if there is one, has been found good by now."""
        if has_credential:
            known(request)
        body: bytes | None = None
        if request.method in ("GET", "HEAD"):
            if request.body_exists:
                raise Refused("bad_request", f"A {request.method} takes no body.")
        else:
            body = await self._bodies.read(request, operation.max_body, room, known=has_credential)
        return Asked(
            fields, list(request.query.items()), body, request.headers.get(hdrs.CONTENT_TYPE, ""),
            request.headers, self._sources.of(request), request.method == "HEAD", partial(disconnected, request),
        )  # fmt: skip


def _methods(place: _Place) -> set[str]:
    return place.operations.keys() | ({"HEAD"} if "GET" in place.operations else set())


def _not_allowed(methods: set[str]) -> Reply:
    allow = ", ".join(sorted(methods))
    reply = refusal(Refused("method_not_allowed", f"This path takes {allow} only."))
    return Reply(reply.body, reply.status, {**reply.headers, "Allow": allow}, reply.content_type)
