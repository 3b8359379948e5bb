"""Pages of other origins that may call the API (CORS_ORIGINS), as browsers ask for it (the Fetch standard, 3.3).

They show a token. Cookies never count for them (`edge.browser`), so no answer allows credentials, and the only origin
that is ever named is the one that asked, letter by letter. Whom nobody listed is told nothing, and its browser then
keeps the answer from the page.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from aiohttp import hdrs, web

from cmdexec.server.api.handler import Reply

_NOTHING: Mapping[str, str] = {}

_ASKED_WITH = ", ".join((
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "If-Range", "Last-Event-ID", "Range",
))  # fmt: skip
_SHOWN = ", ".join((
    "Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "RateLimit", "RateLimit-Policy",
    "Retry-After", "WWW-Authenticate",
))  # fmt: skip
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"


class Cors:
    """`origins`: those listed, as browsers write them. `keep_sec`: how long a browser may keep what it was told."""

    def __init__(self, origins: Iterable[str], *, keep_sec: float) -> None:
        self._origins = frozenset(origins)
        self._keep = f"{keep_sec:.0f}"

    def allows(self, request: web.BaseRequest) -> bool:
        """Whether it comes from a page that is listed."""
        said = request.headers.getall(hdrs.ORIGIN, ())
        return len(said) == 1 and said[0] in self._origins

    def preflight(self, request: web.BaseRequest, methods: Iterable[str]) -> Reply | None:
        """The answer to a browser that asks on behalf of a listed page what it may send to a path of these `methods`;
        it shows no credential then. None where this is no such question."""
        if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return None
        if not self.allows(request):
            return None
        return Reply(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(sorted(methods)),
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _ASKED_WITH,
                hdrs.ACCESS_CONTROL_MAX_AGE: self._keep,
            },
        )

    def told(self, request: web.BaseRequest, reply: Reply) -> Reply:
        """The answer, so that a listed page may read it. Where any is listed, all answers say that they go by it."""
        headers = self._headers(request)
        return replace(reply, headers={**reply.headers, **headers}) if headers else reply

    def _headers(self, request: web.BaseRequest) -> Mapping[str, str]:
        if not self._origins:
            return _NOTHING
        if not self.allows(request):
            return {hdrs.VARY: hdrs.ORIGIN}
        origin = request.headers[hdrs.ORIGIN]
        return {hdrs.VARY: hdrs.ORIGIN, _ALLOW_ORIGIN: origin, hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _SHOWN}
