"""Callers of the API at a steady rate over keep-alive connections: HTTP by hand, so that they are cheap themselves."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from cmdexec.admin.bench.failed import failed
from cmdexec.admin.bench.parts import Say
from cmdexec.runtime import Runtime

_START_SEC = 0.05
"""The connections are made in this time."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


async def run(runtime: Runtime, told: Any, say: Say) -> None:
    """`told`: {url, token, loads: [{paths, connections, perSec, count}]}. Says {took} of each load in turn: seconds of
    each call, from when it was due.

    Calls are due at a fixed rate, whether or not the one before has been answered (as wrk2 does it), so a server that
    stalls is not spared.
    """
    parts = urlsplit(told["url"])
    head = f"HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {told['token']}\r\n\r\n"
    for load in told["loads"]:
        requests = [f"GET {path} {head}".encode() for path in load["paths"]]
        say({"took": await _called(runtime, parts.hostname or "", parts.port or 0, requests, load)})


async def _called(runtime: Runtime, host: str, port: int, requests: list[bytes], load: Any) -> list[float]:
    count, connections = load["count"], load["connections"]
    took: list[float] = []
    began = runtime.clock.elapsed() + _START_SEC

    async def caller(first: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for number in range(first, count, connections):
            due = began + number / load["perSec"]
            await runtime.clock.sleep(max(0.0, due - runtime.clock.elapsed()))
            writer.write(requests[number % len(requests)])
            await _answered(reader)
            took.append(runtime.clock.elapsed() - due)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for first in range(connections):
            group.create_task(caller(first))
    return took


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        said = head.partition(b"\r\n")[0].decode(errors="replace")
        raise failed(f"The server answers {said!r}, and ought to say 200.")
    length = _LENGTH.search(head)
    if length is None:
        raise failed("The server's answer has no length.")
    await reader.readexactly(int(length[1]))
