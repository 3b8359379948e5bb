"""The form of a handler: `async def create(call: Call) -> Reply`. It knows no HTTP beyond a few header names.

Each file of this package has a class that is given what its handlers need, and a method `handlers() -> Handlers`, from
the names of operations to bound methods. `cmdexec.server.perform` refuses to start unless each operation has one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from cmdexec.server.identity import Identity

Gone = Callable[[], Coroutine[Any, Any, None]]


async def stays() -> None:
    """Of callers that cannot go away: never returns."""
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, judged and decoded.

    request   the operation's request struct; a tuple of them if the operation is `many`, also for a single one
    listed    whether a list was sent (`many` only): then a list is to be answered
    body      the body as sent, for hashing; empty for a GET
    headers   by lower-case name
    source    the address it comes from, for throttles and the log
    head      whether it was a HEAD: then nothing may be changed that a GET would
    over      it came too often, and is carried out all the same (`Rate.still`): who asked may not read the answer
    gone      returns when whoever asks is there no more
    """

    who: Identity
    request: Any
    listed: bool = False
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    head: bool = False
    over: bool = False
    gone: Gone = stays


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `id` is what a reader sends as `Last-Event-ID` to go on after it."""

    name: str
    data: Any
    id: str | None = None


Body = Any
"""A struct (sent as JSON), bytes, an async iterator of bytes or of `Event`, or nothing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered.

    headers       by name as sent
    content_type  of bytes and iterators; `text/event-stream` says that the iterator gives events
    length        how many bytes an iterator of bytes will give, where that is known
    over          of an iterator: returns when no more of it may be sent (the login of who asked has ended)

    An iterator is closed when the caller goes away.
    """

    body: Body = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    length: int | None = None
    over: Gone = stays


EVENTS = "text/event-stream"
JSON = "application/json"

Handler = Callable[[Call], Awaitable[Reply]]
Handlers = Mapping[str, Handler]
