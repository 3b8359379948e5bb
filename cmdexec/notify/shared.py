"""Hints between servers: heard here at once, and by the others as soon as whatever lies between carries them there.

Publishing never waits: what is to cross goes into a bounded queue, which one task sends. While the others cannot be
reached, hints stay here; when they can be again, it is said that anything may have been missed.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from cmdexec.log import Log
from cmdexec.notify.contract import H, Hint, JobsWaiting
from cmdexec.notify.local import LocalNotify
from cmdexec.notify.wire import Waiting, crossing, decode, encode

BEAT_SEC = 1.0
"""A server that has nothing to say says so that often: so it learns whether it would be heard."""

_MESSAGE_BYTES = 128 * 1024


class Link(Protocol):
    """Carries messages to all servers, this one too."""

    @property
    def here(self) -> bool:
        """Whether it carries any, as far as is known."""
        ...

    async def run(self, heard: Callable[[bytes], None], came: Callable[[], None], hello: bytes) -> None:
        """Bring messages to `heard` until cancelled; call `came` each time that it begins to, after it has carried
        `hello`."""
        ...

    async def publish(self, data: bytes) -> bool:
        """Whether the message was taken. Never raises for what may happen to a link."""
        ...

    async def close(self) -> None: ...


class SharedNotify:
    """The Notify of a server beside others. A Service. `server`: the id that its messages are known by."""

    def __init__(self, link: Link, log: Log, *, server: str, queue_bytes: int) -> None:
        self._link = link
        self._log = log
        self._server = server
        self._local = LocalNotify(log)
        self._waiting = Waiting(queue_bytes)
        self._wake = asyncio.Event()
        self._unreadable = False

    @property
    def reaches_others(self) -> bool:
        return self._link.here

    def publish(self, hint: Hint) -> None:
        self._local.publish(hint)
        if self._link.here:
            for one in crossing(hint):
                self._waiting.add(one)
            self._wake.set()

    def listen(self, kind: type[H], listener: Callable[[H], None]) -> Callable[[], None]:
        return self._local.listen(kind, listener)

    async def run(self) -> None:
        """Carry hints both ways until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                hello = encode(self._server, ())
                tasks.create_task(self._link.run(self._heard, self._came, hello), name="hints of others")
                tasks.create_task(self._send(), name="hints for others")
        finally:
            await self._link.close()

    async def close(self) -> None:
        await self._local.close()

    async def _send(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SEC):
                    await self._wake.wait()
            self._wake.clear()
            while self._link.here:
                sent = await self._link.publish(encode(self._server, self._waiting.take(_MESSAGE_BYTES)))
                if not sent or not self._waiting:
                    break
            if not self._link.here:
                self._waiting.clear()
            if self._waiting.dropped:
                self._log.warning("hints for other servers were dropped", count=self._waiting.dropped)
                self._waiting.dropped = 0

    def _heard(self, data: bytes) -> None:
        message = decode(data)
        if message is None:
            if not self._unreadable:
                self._log.warning("a server of another version, or something else, speaks on this server's channel")
            self._unreadable = True
            return
        server, hints = message
        if server != self._server:
            for hint in hints:
                self._local.publish(hint)

    def _came(self) -> None:
        self._local.publish(JobsWaiting())
