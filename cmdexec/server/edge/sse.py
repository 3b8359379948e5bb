"""Server-sent events (WHATWG HTML, 9.2), with a comment now and then so that both ends know that the other is there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from cmdexec.protocol.codec import encode
from cmdexec.server.api.handler import Event

_PING = b": \n\n"


def event_bytes(event: Event) -> bytes:
    """One event; its data is JSON, which has no line breaks of its own."""
    head = f"id: {event.id}\nevent: {event.name}\n" if event.id is not None else f"event: {event.name}\n"
    return b"".join((head.encode(), b"data: ", encode(event.data), b"\n\n"))


async def send(events: AsyncIterator[Event], write: Callable[[bytes], Awaitable[None]], *, ping_sec: float) -> None:
    """Write `events` as they come. A slow `write` holds up only these."""
    await write(_PING)
    async with asyncio.TaskGroup() as tasks:
        waiting: asyncio.Task[Event | None] | None = None
        while True:
            if waiting is None:
                waiting = tasks.create_task(_next(events))
            done, _ = await asyncio.wait((waiting,), timeout=ping_sec)
            if not done:
                await write(_PING)
                continue
            event = waiting.result()
            waiting = None
            if event is None:
                return
            await write(event_bytes(event))


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
