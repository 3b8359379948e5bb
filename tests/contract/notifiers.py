"""The notifiers that must keep the contract, and how servers that hear each other by one are made. A new one is one
entry in `NOTIFIERS`."""

import asyncio
import atexit
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from cmdexec.log import Log
from cmdexec.notify.contract import Notify
from cmdexec.notify.local import LocalNotify
from cmdexec.notify.redis import RedisLink
from cmdexec.notify.shared import SharedNotify
from cmdexec.runtime import Runtime
from tests.services.packages import Missing
from tests.services.redis import RedisServer
from tests.support.waiting import becomes
from tests.support.worker import inline_runtime

Servers = Callable[[], AbstractAsyncContextManager[list[Notify]]]


@cache
def standard() -> RedisServer:
    """The Redis that these tests share; without one the test is skipped."""
    folder = Path(mkdtemp(prefix="cmdexec-contract-redis-"))
    server = RedisServer(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    try:
        return server.start()
    except Missing as missing:
        pytest.skip(f"there is no Redis here: {missing}")


def link_to(url: str, name: str = "", runtime: Runtime | None = None, answer_sec: float = 0.5) -> RedisLink:
    """As a server makes it; `name`: of the installation, by default one that nobody else has."""
    runtime = runtime or inline_runtime()
    return RedisLink(url, runtime, name=name or os.urandom(8).hex(), answer_sec=answer_sec, retry_sec=0.2)


@asynccontextmanager
async def running(*notifiers: SharedNotify) -> AsyncIterator[None]:
    """Their services work."""
    tasks = [asyncio.create_task(one.run()) for one in notifiers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def _local() -> AsyncIterator[list[Notify]]:
    only = LocalNotify(Log("cmdexec.test"))
    yield [only, only]


@asynccontextmanager
async def _redis() -> AsyncIterator[list[Notify]]:
    url, name, log = standard().url, os.urandom(8).hex(), Log("cmdexec.test")
    both = [SharedNotify(link_to(url, name), log, server=server, queue_bytes=1 << 20) for server in ("a", "b")]
    async with running(*both):
        for one in both:
            await becomes(lambda one=one: one.reaches_others, "it reaches others")
        yield [*both]


NOTIFIERS: dict[str, Servers] = {"local": _local, "redis": _redis}
