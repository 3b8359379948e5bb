"""The API's own description, as a document for programs and as a page for people: made once, at its first use."""

import hashlib
from collections.abc import Mapping
from functools import cached_property

from cmdexec.protocol.codec import encode
from cmdexec.protocol.openapi import document
from cmdexec.server.api.handler import JSON, Call, Handlers, Reply
from cmdexec.server.api.page import CSP, page

_KEEP = "no-cache"
"""A cache may keep it, and asks each time whether it is still the same: it changes with the server's version."""


class AboutApi:
    """`api.document`, `api.page`. Neither knows anything of this server, so both are the same for everybody."""

    def handlers(self) -> Handlers:
        return {"api.document": self.document, "api.page": self.page}

    async def document(self, call: Call) -> Reply:
        return _kept(call, self._document, JSON, {})

    async def page(self, call: Call) -> Reply:
        return _kept(call, self._page, "text/html; charset=utf-8", {"Content-Security-Policy": CSP})

    @cached_property
    def _document(self) -> bytes:
        return encode(document())

    @cached_property
    def _page(self) -> bytes:
        return page(document()).encode()


def _kept(call: Call, body: bytes, kind: str, headers: Mapping[str, str]) -> Reply:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    about = {"Cache-Control": _KEEP, "ETag": tag, **headers}
    have = {one.strip().removeprefix("W/") for one in call.headers.get("If-None-Match", "").split(",")}
    if {tag, "*"} & have:
        return Reply(None, 304, about)
    return Reply(body, 200, about, kind)
