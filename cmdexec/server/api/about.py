"""The API's own description, as a document for programs and as a page for people: made once, at its first use."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from cmdexec.protocol.codec import encode
from cmdexec.runtime import Threads
from cmdexec.server.api.handler import JSON, Call, Handlers, Reply

_KEEP = "no-cache"
"""A cache may keep it, and asks each time whether it is still the same: it changes with the server's version."""


@dataclass(frozen=True, slots=True)
class _Text:
    """Something to answer, with its headers."""

    body: bytes
    kind: str
    more: Mapping[str, str] = field(default_factory=dict)

    def reply(self, call: Call) -> Reply:
        """All of it, or 304 for who has it."""
        tag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
        headers = {"Cache-Control": _KEEP, "ETag": tag, **self.more}
        have = {one.strip().removeprefix("W/") for one in call.headers.get("If-None-Match", "").split(",")}
        if {tag, "*"} & have:
            return Reply(None, 304, headers)
        return Reply(self.body, 200, headers, self.kind)


class AboutApi:
    """`api.document`, `api.page`. Neither knows anything of this server, so both are the same for everybody."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._making = asyncio.Lock()
        self._texts: Mapping[str, _Text] | None = None

    def handlers(self) -> Handlers:
        return {"api.document": self.document, "api.page": self.page}

    async def document(self, call: Call) -> Reply:
        return (await self._made())["document"].reply(call)

    async def page(self, call: Call) -> Reply:
        return (await self._made())["page"].reply(call)

    async def _made(self) -> Mapping[str, _Text]:
        async with self._making:
            if self._texts is None:
                self._texts = await self._threads.run(_make)
            return self._texts


def _make() -> Mapping[str, _Text]:
    """Takes a while, so it is done in a thread; and most servers are never asked."""
    from cmdexec.protocol.openapi import document
    from cmdexec.server.api.page import CSP, page

    made = document()
    return {
        "document": _Text(encode(made), JSON),
        "page": _Text(page(made).encode(), "text/html; charset=utf-8", {"Content-Security-Policy": CSP}),
    }
