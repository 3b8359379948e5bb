"""Answers about many jobs, however large each is: read, shown and sent a few at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from cmdexec.model.job import Job
from cmdexec.protocol.codec import encode
from cmdexec.protocol.requests import JobsView
from cmdexec.server.api.handler import JSON, Reply

PAGE = 8
"""Jobs in memory at once: each may be half a frame (`MAX_FRAME_BYTES`) long."""

WHOLE_BYTES = 256 * 1024
"""What is answered in one piece, with its length; more is sent as it is read."""

_READ_AT_ONCE = 4
"""Pages in memory at once, of all answers that are being made. None of them waits for whoever asked."""

_SENT_AT_ONCE = 32
"""Jobs in memory at once, of all answers that are being sent. Those wait for their readers, who have a time for it."""

Find = Callable[[Sequence[str]], Awaitable[list[Job]]]
Show = Callable[[Sequence[Job]], Awaitable[JobsView]]

START, END = b'{"jobs":[', b"]}"


def pages(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids, a few at a time."""
    for first in range(0, len(job_ids), PAGE):
        yield job_ids[first : first + PAGE]


class Pages:
    """Makes such answers. However many are asked for, and however slowly they are read, what is in memory of them is
    `WHOLE_BYTES` each, and `_READ_AT_ONCE` pages and `_SENT_AT_ONCE` jobs of all together."""

    def __init__(self, find: Find, show: Show) -> None:
        self._find = find
        self._show = show
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)
        self._sending = asyncio.Semaphore(_SENT_AT_ONCE)

    async def answer(self, job_ids: Sequence[str]) -> Reply:
        """A `JobsView` of all of these. What `find` raises for any of them is raised before anything is sent."""
        first: list[bytes] = []
        room = WHOLE_BYTES
        for page in pages(job_ids):
            async with self._reading:
                found = await self._items(page, room)
            first += found
            room = room - sum(map(len, found)) if len(found) == len(page) else 0
        later = job_ids[len(first) :]
        if not later:
            return Reply(b"".join((START, b",".join(first), END)), content_type=JSON)
        return Reply(self._sent(first, later), content_type=JSON)

    async def _sent(self, first: list[bytes], later: Sequence[str]) -> AsyncIterator[bytes]:
        """One job at a time after those that are there."""
        yield START + b",".join(first)
        comma = b"," if first else b""
        first.clear()
        for job_id in later:
            async with self._sending:
                yield comma + await self._item(job_id)
                comma = b","
        yield END

    async def _items(self, job_ids: Sequence[str], room: int) -> list[bytes]:
        """The first of these, encoded, that have room together. No job outlives the call: its caller waits."""
        found, items = await self._find(job_ids), []
        for view in (await self._show(found)).jobs if room > 0 else ():
            item = encode(view)
            room -= len(item)
            if room < 0:
                break
            items.append(item)
        return items

    async def _item(self, job_id: str) -> bytes:
        (view,) = (await self._show(await self._find([job_id]))).jobs
        return encode(view)
