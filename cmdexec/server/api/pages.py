"""Answers about many jobs, however large each is: read, shown and sent a few at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from cmdexec.model.job import Job
from cmdexec.protocol.codec import encode
from cmdexec.protocol.requests import JobsView
from cmdexec.server.api.handler import JSON, Reply

PAGE = 8
"""Jobs in memory at once: each may be half a frame (`MAX_FRAME_BYTES`) long."""

_WHOLE_BYTES = 2 * 1024 * 1024
"""What is answered in one piece, with its length; more is sent as it is read."""

Find = Callable[[Sequence[str]], Awaitable[list[Job]]]
Show = Callable[[Sequence[Job]], Awaitable[JobsView]]


def pages(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids, a few at a time."""
    for first in range(0, len(job_ids), PAGE):
        yield job_ids[first : first + PAGE]


async def in_pages(job_ids: Sequence[str], find: Find, show: Show) -> Reply:
    """A `JobsView` of all of these. What `find` raises for any of them is raised before anything is sent."""
    parts: list[bytes] = []
    later: list[str] = []
    size = 0
    for page in pages(job_ids):
        found = await find(page)
        if size > _WHOLE_BYTES:
            later += page
            continue
        parts.append(_items(await show(found), first=not parts))
        size += len(parts[-1])
    if not later:
        return Reply(b"".join((*parts, _END)), content_type=JSON)
    return Reply(_sent(parts, later, find, show), content_type=JSON)


async def _sent(parts: list[bytes], later: Sequence[str], find: Find, show: Show) -> AsyncIterator[bytes]:
    while parts:
        yield parts.pop(0)
    for page in pages(later):
        yield _items(await show(await find(page)), first=False)
    yield _END


_END = b"]}"


def _items(view: JobsView, *, first: bool) -> bytes:
    """A part of the encoded whole."""
    return (b'{"jobs":[' if first else b",") + b",".join(map(encode, view.jobs))
